import { createHmac, randomInt } from 'node:crypto'
import { findBankAccount } from '../banks/find.ts'
import { AppError } from '../errors.ts'
import { newId } from '../ids/ids.ts'
import type { BankAccountId, TransactionId, UserId } from '../ids/ids.ts'
import { isInChart } from '../ledger/chart.ts'
import type { Verdict } from '../ledger/post.ts'
import { printDollars } from '../money.ts'
import type { Job } from '../queue/jobs.ts'
import { after, DAY, HOUR } from '../time.ts'
import type { Micros } from '../time.ts'
import { findUsers } from '../users/find.ts'
import { begin } from './movement.ts'
import type { Terms } from './movement.ts'
import { postOnce, replayOf, requestRecord } from './once.ts'
import type { Ask } from './once.ts'
import type { PaymentParts } from './parts.ts'
import type { Begin, Reason } from './passenger.ts'
import type { Key, MoneyMove } from './asks.ts'
import { states } from './state.ts'
import * as store from './store.ts'
import { declineReasonOf, refusalOf } from './verdict.ts'
import { decidedRow, payerView } from './view.ts'
import type { Answered, TransactionView } from './views.ts'

/** How far a client's own `transactionDate` may be off. */
const DATE_TOLERANCE = DAY
/** How long a payment waits for its payer's code. */
export const CODE_LIVES = 24n * HOUR
/** What people are told of a bank's way; the rail knows better once it has the instruction. */
const BANK_TAKES = 3n * DAY

type Route = Readonly<{ kind: Terms['kind']; payee: UserId; bankAccount: BankAccountId | null }>

/**
 * Moves money: between users, or from or to the caller's own bank account.
 *
 * @returns Accepted, declined with its reason, or waiting: all three are stored, and found by key.
 * @throws AppError `not_yours`, `parties_equal`, `transaction_date_invalid`, `user_unknown`,
 * `bank_account_unknown`, `bank_account_not_verified`, `idempotency_key_reused`: nothing is stored.
 */
export async function moveMoney(
  parts: PaymentParts,
  caller: UserId,
  move: MoneyMove,
  key: Key,
): Promise<Answered<TransactionView>> {
  const { from, to, amount, note, transactionDate } = move
  const parties = [from.kind, from.id, to.kind, to.id]
  const asked = [...parties, amount, note, transactionDate]
  const ask: Ask = { caller, key, action: 'transaction.create', ask: asked }
  const route = await orReplay(parts, ask, async () => await routeOf(parts, caller, move))
  if ('replayed' in route) return route

  const step = await plan(parts, caller, move, route)
  const { terms } = step
  const request = requestRecord(parts.digestKey, ask, terms.transaction)
  const verdict = await postOnce(parts, {
    movement: begin(terms, step.code !== null),
    tokens: request ? [request.caller + request.key] : [],
    passenger: { request, step },
  })
  if (verdict.outcome !== 'void') return { value: decidedView(step, verdict), replayed: false }
  if (typeof verdict.reason !== 'string' && verdict.reason.is === 'replay') {
    return await replay(parts, caller, verdict.reason.subject)
  }
  throw refusalOf(verdict)
}

/**
 * A refusal must not hide that the same request was carried out before, when the world was another.
 */
async function orReplay<T>(
  parts: PaymentParts,
  ask: Ask,
  check: () => Promise<T>,
): Promise<T | Answered<TransactionView>> {
  try {
    return await check()
  } catch (error) {
    const record = requestRecord(parts.digestKey, ask, null)
    if (!record || !(error instanceof AppError)) throw error
    const found = await store.findRequests(parts.pool, [record])
    if (found.length === 0) throw error
    return await replay(parts, ask.caller, replayOf(record, found).subject)
  }
}

/** The transaction of an earlier request, as it stands now. */
export async function replay(
  parts: PaymentParts,
  caller: UserId,
  subject: string | null,
): Promise<Answered<TransactionView>> {
  const id = subject as TransactionId | null
  const [row] = id === null ? [] : await store.findOwnTransactions(parts.pool, caller, [id])
  if (!row) throw new Error('a request was recorded without its transaction')
  return { value: payerView(row), replayed: true }
}

/** What kind of transaction two parties make, and whether this caller may ask for it. */
async function routeOf(parts: PaymentParts, caller: UserId, move: MoneyMove): Promise<Route> {
  const { from, to, transactionDate } = move
  const now = parts.clock.now()
  if (transactionDate !== null && !isNear(transactionDate, now)) {
    throw new AppError('transaction_date_invalid')
  }
  // A wallet lies under its user's id, so an id could name an account that is no wallet.
  if (to.kind === 'user' && isInChart(to.id)) throw new AppError('user_unknown')
  if (from.kind === 'user') {
    if (from.id !== caller) throw new AppError('not_yours')
    if (to.kind === 'user') {
      if (to.id === caller) throw new AppError('parties_equal')
      return { kind: 'payment', payee: to.id, bankAccount: null }
    }
    await requireVerified(parts, caller, to.id, 'bank_account_unknown')
    return { kind: 'cash_out', payee: caller, bankAccount: to.id }
  }
  await requireVerified(parts, caller, from.id, 'not_yours')
  if (to.kind === 'bank') throw new AppError('parties_equal')
  const kind = to.id === caller ? 'add_money' : 'bank_payment'
  return { kind, payee: to.id, bankAccount: from.id }
}

/** Asked again under a lock when the money moves; asked here for the better answer. */
async function requireVerified(
  parts: PaymentParts,
  caller: UserId,
  id: BankAccountId,
  unknown: 'bank_account_unknown' | 'not_yours',
): Promise<void> {
  const account = await findBankAccount(parts.pool, caller, id)
  if (!account || account.status === 'disabled') throw new AppError(unknown)
  if (account.status !== 'verified') throw new AppError('bank_account_not_verified')
}

function isNear(date: Micros, now: Micros): boolean {
  const distance = date > now ? date - now : now - date
  return distance <= DATE_TOLERANCE
}

async function plan(
  parts: PaymentParts,
  caller: UserId,
  { amount, note }: MoneyMove,
  { kind, payee, bankAccount }: Route,
): Promise<Begin> {
  const transaction = newId('txn')
  const terms: Terms = { transaction, kind, payer: caller, payee, amount, note }
  if (await needsCode(parts, terms)) return await planWithCode(parts, terms, bankAccount)
  if (bankAccount === null) {
    return { is: 'begin', terms, bankAccount, to: 'accepted', until: null, code: null, jobs: [] }
  }
  const until = after(parts.clock.now(), BANK_TAKES)
  const jobs = [submission(terms)]
  return { is: 'begin', terms, bankAccount, to: 'waits_for_bank', until, code: null, jobs }
}

async function needsCode(parts: PaymentParts, terms: Terms): Promise<boolean> {
  const { payer, payee, amount } = terms
  if (payer === payee || amount < parts.verificationThreshold) return false
  return !(await store.knowsPayee(parts.pool, payer, payee))
}

async function planWithCode(
  parts: PaymentParts,
  terms: Terms,
  bankAccount: BankAccountId | null,
): Promise<Begin> {
  const users = await findUsers(parts.pool, [terms.payer, terms.payee])
  const [payer, payee] = [users.get(terms.payer), users.get(terms.payee)]
  if (!payer || !payee) throw new AppError('user_unknown')
  const code = String(randomInt(1_000_000)).padStart(6, '0')
  const expiresAt = after(parts.clock.now(), CODE_LIVES)
  const what = `${printDollars(terms.amount)} to ${payee.displayName} (@${payee.handle})`
  const message: Job = {
    name: 'send-message',
    payload: {
      userId: payer.userId,
      channel: 'email',
      recipient: payer.email,
      subject: `Confirm your payment of ${printDollars(terms.amount)}`,
      body: `Your code is ${code}. It confirms ${what}. Not you? Then do nothing: the money stays yours, and the payment ends after 24 hours.`,
    },
    when: {},
  }
  const { transaction: transactionId, payer: payerId } = terms
  const expiry: Job = {
    name: 'expire-verification',
    payload: { payerId, transactionId },
    when: { runAt: expiresAt },
  }
  const digest = codeDigest(parts.digestKey, terms.transaction, code)
  return {
    is: 'begin',
    terms,
    bankAccount,
    to: 'waits_for_code',
    until: expiresAt,
    code: { digest, expiresAt },
    jobs: [message, expiry],
  }
}

/** Keyed: without the key a table of digests of six digits would be an open book. */
export function codeDigest(secret: Uint8Array, transaction: TransactionId, code: string): Buffer {
  return createHmac('sha256', secret).update(`${transaction}:${code}`).digest()
}

/** The job that tells the bank, added with the money. */
export function submission({ payer, transaction }: Terms): Job {
  const payload = { payerId: payer, transactionId: transaction }
  return { name: 'submit-instruction', payload, when: {} }
}

function decidedView(
  step: Begin,
  verdict: Exclude<Verdict<Reason>, { outcome: 'void' }>,
): TransactionView {
  const { terms, bankAccount, until } = step
  const posted = verdict.outcome === 'posted'
  const declineReason = posted ? null : declineReasonOf(verdict.reason, terms, verdict.account)
  const state = states[posted ? step.to : 'declined']
  return payerView(decidedRow(terms, { bankAccount, state, declineReason, at: verdict.at, until }))
}
