import type { Queryable } from '../db/query.ts'
import { AppError } from '../errors.ts'
import { type BankAccountId, newId, type UserId } from '../ids/ids.ts'
import { after, DAY, type Micros } from '../time.ts'
import { type AccountType, type BankAccount, isAccountNumber, lastFour } from './bank-account.ts'
import { isRoutingNumber } from './routing.ts'
import { type BankKeys, numberDigest, sealNumber } from './seal.ts'
import {
  countLinks,
  countPair,
  insertBankAccount,
  lockLinks,
  sentBefore,
  wrongAnswers,
} from './store.ts'
import { WRONG_ANSWERS_MAX } from './verify.ts'

/** Bank accounts that a user may have at once, the unlinked ones not counted. */
export const BANK_ACCOUNTS_MAX = 20

/** Links that a user may make in 24 hours, the unlinked ones counted: each may cost a transfer. */
export const LINKS_PER_DAY = 20

/** How long wrong answers about a number outlive its unlinking. */
const ANSWERS_REMEMBERED = 30n * DAY

/** A number is sent micro-entries once in this time, however often the same user links it. */
const MICRO_ENTRIES_COUNT = 30n * DAY

/** Pairs of micro-entries that a number is sent in such a time, which begins with the first. */
export const PAIRS_PER_NUMBER = 5

export type LinkParts = BankKeys &
  Readonly<{
    routingRanges: 'banks' | 'any'
    /** Usually PAIRS_PER_NUMBER. Null for a sandbox, whose numbers are for everybody to try. */
    pairsPerNumber: number | null
  }>

export type LinkAsk = Readonly<{
  userId: UserId
  bankName: string
  bankPhoneNumber: string | null
  bankEmail: string | null
  routingNumber: string
  accountNumber: string
  accountType: AccountType
}>

/** `unsent` is the link whose micro-entries are still to be sent: this one, or an earlier one. */
export type Linked = Readonly<{ bankAccount: BankAccount; unsent: BankAccountId | null }>

/**
 * Links a bank account, as `pending_verification`: nothing moves until its owner has named the
 * amounts of two micro-entries. Unlinking and linking again gives no fresh tries at them, and for
 * 30 days no fresh amounts: those that were sent are to be named again.
 *
 * @param tx A transaction: it holds the user's links locked, so that two at once count right.
 * @throws AppError `routing_number_invalid`; `request_invalid` for an account number that is not
 * 4 to 17 digits; `bank_account_limit` for too many at once or in a day; `bank_account_duplicate`
 * when this user has the number linked; `bank_account_locked` when they lately gave too many wrong
 * answers about it; `bank_number_limit` when too many users lately linked it.
 */
export async function link(
  tx: Queryable,
  parts: LinkParts,
  ask: LinkAsk,
  now: Micros,
): Promise<Linked> {
  const { accountNumber, ...account } = ask
  if (!isRoutingNumber(ask.routingNumber, parts.routingRanges)) {
    throw new AppError('routing_number_invalid', { field: '/bankRoutingNumber' })
  }
  if (!isAccountNumber(accountNumber)) {
    throw new AppError('request_invalid', { field: '/bankAccountNumber', why: '4 to 17 digits' })
  }
  const digest = numberDigest(parts.digestKey, ask.routingNumber, accountNumber)
  await lockLinks(tx, ask.userId)
  await refuseTooMany(tx, ask.userId, now)
  const since = after(now, -ANSWERS_REMEMBERED)
  const wrong = await wrongAnswers(tx, ask.userId, digest, since)
  if (wrong.count >= WRONG_ANSWERS_MAX) throw new AppError('bank_account_locked')

  const owner = { userId: ask.userId, bankAccountId: newId('bank') }
  const earlier = await sentBefore(tx, ask.userId, digest, after(now, -MICRO_ENTRIES_COUNT))
  const microEntries = earlier ?? { of: owner.bankAccountId, amounts: null }
  const bankAccount = await insertBankAccount(tx, {
    ...account,
    ...owner,
    lastFour: lastFour(accountNumber),
    sealed: sealNumber(parts.sealKeys, owner, accountNumber),
    numberDigest: digest,
    microEntries,
    wrongAnswers: wrong,
    createdAt: now,
  })
  // Behind the insert, which knows a duplicate from a link too many.
  if (earlier === null) await refuseGuessing(tx, parts, digest, now)
  return { bankAccount, unsent: microEntries.amounts === null ? microEntries.of : null }
}

/** Each pair is three guesses: without an end to them, opening user after user would find it. */
async function refuseGuessing(
  tx: Queryable,
  { pairsPerNumber }: LinkParts,
  digest: Uint8Array,
  now: Micros,
): Promise<void> {
  if (pairsPerNumber === null) return
  const pairs = await countPair(tx, digest, now, after(now, -MICRO_ENTRIES_COUNT))
  if (pairs > pairsPerNumber) throw new AppError('bank_number_limit')
}

async function refuseTooMany(tx: Queryable, userId: UserId, now: Micros): Promise<void> {
  const { active, recent } = await countLinks(tx, userId, after(now, -DAY))
  if (active >= BANK_ACCOUNTS_MAX) {
    throw new AppError('bank_account_limit', { limit: BANK_ACCOUNTS_MAX })
  }
  if (recent >= LINKS_PER_DAY) {
    throw new AppError('bank_account_limit', { limitPerDay: LINKS_PER_DAY })
  }
}
