import { findBankAccount } from '../banks/find.ts'
import { AppError } from '../errors.ts'
import { newId } from '../ids/ids.ts'
import type { BankAccountId, TransactionId, UserId } from '../ids/ids.ts'
import { isInChart } from '../ledger/chart.ts'
import type { Verdict } from '../ledger/post.ts'
import type { Money } from '../money.ts'
import type { Job } from '../queue/jobs.ts'
import { after, DAY } from '../time.ts'
import type { Micros } from '../time.ts'
import { findUser } from '../users/find.ts'
import { CODE_LIVES, requireFewCodes, requireRecipient } from './code.ts'
import { begin } from './rules/movement.ts'
import type { Terms } from './rules/movement.ts'
import { postOnce, replayOf, requestRecord } from './ride/once.ts'
import type { Ask } from './ride/once.ts'
import type { PaymentParts } from './parts.ts'
import type { Begin, Reason } from './ride/passenger.ts'
import type { Key, MoneyMove, Shown } from './asks.ts'
import { states } from './rules/state.ts'
import * as requests from './ride/store.ts'
import * as store from './store.ts'
import { declineReasonOf, refusalOf } from './rules/verdict.ts'
import { decidedRow, payerView } from './rules/view.ts'
import type { Answered, TransactionView } from './rules/views.ts'

/** How far a client's own `transactionDate` may be off. */
const DATE_TOLERANCE = DAY
/** What people are told of a bank's way; the rail knows better once it has the instruction. */
export const BANK_TAKES = 3n * DAY

type Route = Readonly<{ kind: Terms['kind']; payee: UserId; bankAccount: BankAccountId | null }>

/**
 * Moves money: between users, or from or to the caller's own bank account.
 *
 * @returns Accepted, declined with its reason, or waiting: all three are stored, and found by key.
 * @throws AppError `not_yours`, `parties_equal`, `transaction_date_invalid`, `user_unknown`,
 * `bank_account_unknown`, `bank_account_not_verified`, `step_up_required`, `contact_missing`,
 * `idempotency_key_reused`: nothing is stored.
 */
export async function moveMoney(
  parts: PaymentParts,
  caller: UserId,
  move: MoneyMove,
  key: Key,
  shown: Shown,
): Promise<Answered<TransactionView>> {
  const { from, to, amount, note, transactionDate } = move
  const parties = [from.kind, from.id, to.kind, to.id]
  const asked = [...parties, amount, note, transactionDate]
  const ask: Ask = { caller, key, action: 'transaction.create', ask: asked }
  const step = await orReplay(parts, ask, async () => {
    const route = await routeOf(parts, caller, move)
    requireFresh(parts, route, move.amount, shown)
    return await plan(parts, caller, move, route)
  })
  if ('replayed' in step) return step
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
    const found = await requests.findRequests(parts.pool, [record])
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
    if (from.id !== caller) {
      throw new AppError((await findUser(parts.pool, from.id)) ? 'not_yours' : 'user_unknown')
    }
    if (to.kind === 'user') {
      if (to.id === caller) throw new AppError('parties_equal')
      return { kind: 'payment', payee: to.id, bankAccount: null }
    }
    await requireVerified(parts, caller, to.id, 'bank_account_unknown')
    return { kind: 'cash_out', payee: caller, bankAccount: to.id }
  }
  await requireVerified(parts, caller, from.id, 'not_yours')
  if (to.kind === 'bank') throw new AppError('parties_equal', { why: 'both are your own' })
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

/** What comes in from the caller's own bank account leaves nobody. */
function requireFresh(
  { stepUpThreshold }: PaymentParts,
  { kind }: Route,
  amount: Money,
  { fresh }: Shown,
): void {
  if (fresh || kind === 'add_money' || amount < stepUpThreshold) return
  throw new AppError('step_up_required')
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
  const withCode = await needsCode(parts, terms)
  if (payee !== caller && (withCode || bankAccount !== null)) await requirePayee(parts, payee)
  if (withCode) return await planWithCode(parts, terms, bankAccount)
  if (bankAccount === null) {
    return { is: 'begin', terms, bankAccount, to: 'accepted', until: null, code: null, jobs: [] }
  }
  const until = after(parts.clock.now(), BANK_TAKES)
  const jobs = [submission(terms)]
  return { is: 'begin', terms, bankAccount, to: 'waits_for_bank', until, code: null, jobs }
}

/**
 * A payment that waits touches its payee's wallet only when it settles, so the ledger cannot refuse
 * it before. Whoever is a user once is one for ever: no lock is needed.
 */
async function requirePayee(parts: PaymentParts, payee: UserId): Promise<void> {
  if (!(await findUser(parts.pool, payee))) throw new AppError('user_unknown', { field: '/toId' })
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
  await requireRecipient(parts, terms.payer)
  await requireFewCodes(parts, terms.payer)
  const expiresAt = after(parts.clock.now(), CODE_LIVES)
  const payload = { payerId: terms.payer, transactionId: terms.transaction }
  const message: Job = { name: 'send-payment-code', payload, when: {} }
  return {
    is: 'begin',
    terms,
    bankAccount,
    to: 'waits_for_code',
    until: expiresAt,
    code: { expiresAt },
    jobs: [message, expiry(terms, expiresAt)],
  }
}

/** The job that ends a payment whose code never came: one for a transaction. */
export function expiry({ payer, transaction }: Terms, runAt: Micros): Job {
  const payload = { payerId: payer, transactionId: transaction }
  return { name: 'expire-verification', payload, when: { runAt, key: `expire:${transaction}` } }
}

/** The job that tells the bank, added with the money. */
export function submission({ payer, transaction }: Terms): Job {
  const payload = { payerId: payer, transactionId: transaction }
  return { name: 'submit-instruction', payload, when: { key: `submit:${transaction}` } }
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
