import type { Static } from 'typebox'
import type { BankAccount as BankAccountRow } from '../banks/bank-account.ts'
import { AppError } from '../errors.ts'
import { parseId, printId } from '../ids/ids.ts'
import type { TransactionId } from '../ids/ids.ts'
import type {
  Limit as LimitView,
  OwnUser,
  Party,
  TransactionView,
} from '../payments/rules/views.ts'
import type { PageAsk, RequestOutcome, TimeRange } from '../payments/asks.ts'
import { parseTime, printTime } from '../time.ts'
import type { Micros } from '../time.ts'
import type { User as UserRow } from '../users/user.ts'
import type * as wire from './resources.ts'

/** Inside to outside: ids with their kind, cents as numbers, times as RFC 3339. */

export function toTransaction(view: TransactionView): Static<typeof wire.Transaction> {
  const { finality } = view
  return {
    transactionId: printId('txn', view.transactionId),
    fromId: printId(view.from.kind, view.from.id),
    toId: printId(view.to.kind, view.to.id),
    transactionDate: printTime(view.transactionDate),
    settledDate: view.settledAt === null ? null : printTime(view.settledAt),
    amount: toCents(view.amount),
    kind: view.kind,
    status: view.status,
    declineReason: view.declineReason,
    note: view.note,
    finality: {
      state: finality.state,
      until: finality.until === null ? null : printTime(finality.until),
      why: finality.why,
    },
  }
}

export function toBankAccount(account: BankAccountRow): Static<typeof wire.BankAccount> {
  return {
    bankAccountId: printId('bank', account.bankAccountId),
    userId: printId('user', account.userId),
    createTime: printTime(account.createdAt),
    bankName: account.bankName,
    bankPhoneNumber: account.bankPhoneNumber,
    bankEmail: account.bankEmail,
    bankAccountNumber: `••••${account.lastFour}`,
    bankRoutingNumber: account.routingNumber,
    accountType: account.accountType,
    status: account.status,
  }
}

export function toPublicUser(user: UserRow): Static<typeof wire.PublicUser> {
  return {
    userId: printId('user', user.userId),
    handle: user.handle,
    displayName: user.displayName,
  }
}

export function toUser({ user, wallet, limits, bankAccounts }: OwnUser): Static<typeof wire.User> {
  return {
    ...toPublicUser(user),
    createTime: printTime(user.createdAt),
    email: user.email,
    emailVerified: user.emailVerifiedAt !== null,
    phoneNumber: user.phoneNumber,
    phoneVerified: user.phoneVerifiedAt !== null,
    debitCardId: user.debitCardId,
    status: user.status,
    balance: toCents(wallet.balance),
    held: toCents(wallet.held),
    available: toCents(wallet.available),
    limits: limits.map(toLimit),
    bankAccounts: bankAccounts.map(toBankAccount),
  }
}

function toLimit({ name, limit, used, available, frees }: LimitView): Static<typeof wire.Limit> {
  return {
    name,
    limit: toCents(limit),
    used: toCents(used),
    available: toCents(available),
    frees: frees.map(({ at, amount }) => ({ at: printTime(at), amount: toCents(amount) })),
  }
}

export function toOutcome(key: string, outcome: RequestOutcome): Static<typeof wire.Outcome> {
  const { action, createdAt, resource } = outcome
  const head = { idempotencyKey: key, action, createTime: printTime(createdAt) }
  if (resource.type === 'transaction')
    return { ...head, transaction: toTransaction(resource.value) }
  if (resource.type === 'bankAccount')
    return { ...head, bankAccount: toBankAccount(resource.value) }
  return resource.type === 'user' ? { ...head, user: toUser(resource.value) } : head
}

/** A JSON number, which is exact up to 2^53 - 1. Beyond that there is no honest answer. */
export function toCents(cents: bigint): number {
  const number = Number(cents)
  if (!Number.isSafeInteger(number)) throw new RangeError('cents beyond what JSON carries exactly')
  return number
}

/** Outside to inside. */

/** @throws AppError `bank_account_unknown` or `user_unknown`: a text that is no id names nobody. */
export function toParty(text: string, field: '/fromId' | '/toId'): Party {
  if (text.startsWith('bank_')) {
    const id = parseId('bank', text)
    if (!id) throw new AppError('bank_account_unknown', { field })
    return { kind: 'bank', id }
  }
  const id = parseId('user', text)
  if (!id) throw new AppError('user_unknown', { field })
  return { kind: 'user', id }
}

/** A time that the schema has checked. */
export function toTime(text: string): Micros {
  const at = parseTime(text)
  if (at === null) throw new TypeError('a time passed the schema that is none')
  return at
}

/** @throws AppError `request_invalid` for a range that ends before it starts. */
export function toRange(query: { startTime?: string; endTime?: string }): TimeRange {
  const start = query.startTime === undefined ? null : toTime(query.startTime)
  const end = query.endTime === undefined ? null : toTime(query.endTime)
  if (start !== null && end !== null && start > end) {
    throw new AppError('request_invalid', { field: '/endTime', why: 'endTime is before startTime' })
  }
  return { start, end }
}

const PAGE_ROWS = 25

type PageQuery = { startTime?: string; endTime?: string; limit?: number; cursor?: string }

/** @throws AppError `request_invalid` */
export function toPageAsk(query: PageQuery): PageAsk {
  return { ...toRange(query), limit: query.limit ?? PAGE_ROWS, cursor: query.cursor ?? null }
}

/** @throws AppError `transaction_unknown`: a text that is no id names nothing. */
export function transactionIdOf(text: string): TransactionId {
  const id = parseId('txn', text)
  if (!id) throw new AppError('transaction_unknown')
  return id
}
