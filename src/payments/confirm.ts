import { inTransaction } from '../db/tx.ts'
import { AppError } from '../errors.ts'
import type { TransactionId, UserId } from '../ids/ids.ts'
import { addJobs } from '../queue/jobs.ts'
import { after } from '../time.ts'
import { advance } from './ride/advance.ts'
import { answerCode } from './code.ts'
import { replayOf, requestRecord } from './ride/once.ts'
import type { Ask } from './ride/once.ts'
import { LOCK_TIMEOUT_MS } from './parts.ts'
import type { PaymentParts } from './parts.ts'
import type { RequestRecord, StoredTransaction } from './ride/passenger.ts'
import { BANK_TAKES, expiry, replay, submission } from './pay.ts'
import type { Key } from './asks.ts'
import { stateOf, states } from './rules/state.ts'
import * as requests from './ride/store.ts'
import * as store from './store.ts'
import { refusalOf } from './rules/verdict.ts'
import { payerView, termsOf } from './rules/view.ts'
import type { Answered, TransactionView } from './rules/views.ts'

/**
 * The payer confirms a payment that waits for their code.
 *
 * @throws AppError `transaction_unknown`, also for someone else's; `transaction_not_waiting`;
 * `code_wrong` with `attemptsLeft`; `code_expired` after 24 h or five wrong codes, when the payment
 * is declined and the money free again; `account_frozen`; `rate_limited` after fifteen wrong codes
 * in a day, for all payments together. A payment out of a bank account that was unlinked meanwhile
 * is answered as declined.
 */
export async function confirmTransaction(
  parts: PaymentParts,
  caller: UserId,
  { id, code }: Readonly<{ id: TransactionId; code: string }>,
  key: Key,
): Promise<Answered<TransactionView>> {
  const ask: Ask = { caller, key, action: 'transaction.confirm', ask: [id, code] }
  const request = requestRecord(parts.digestKey, ask, id)
  const earlier = await replayed(parts, request)
  if (earlier) return earlier
  try {
    const [row] = await store.findOwnTransactions(parts.pool, caller, [id])
    if (!row) throw new AppError('transaction_unknown')
    if (stateOf(row.status) !== 'waits_for_code') throw new AppError('transaction_not_waiting')
    await checkCode(parts, row, code)
    return await capture(parts, row, request)
  } catch (error) {
    // The same request may have been carried out since we looked: then that is its answer.
    const meanwhile = error instanceof AppError ? await replayed(parts, request) : null
    if (meanwhile) return meanwhile
    throw error
  }
}

async function replayed(
  parts: PaymentParts,
  request: RequestRecord | null,
): Promise<Answered<TransactionView> | null> {
  const found = request ? await requests.findRequests(parts.pool, [request]) : []
  if (!request || found.length === 0) return null
  return await replay(parts, request.caller, replayOf(request, found).subject)
}

/**
 * The job that ends a payment whose code never came. Harmless when it comes late, twice or for
 * nothing; when it comes early, because the database's clock is ahead of ours, it comes again.
 */
export async function expireVerification(
  parts: PaymentParts,
  payer: UserId,
  id: TransactionId,
): Promise<void> {
  const [row] = await store.findOwnTransactions(parts.pool, payer, [id])
  if (!row || stateOf(row.status) !== 'waits_for_code') return
  if (isOver(parts, row)) {
    await decline(parts, row, 'verification_expired')
    return
  }
  const again = expiry(termsOf(row), row.until ?? parts.clock.now())
  await inTransaction(parts.pool, async (tx) => await addJobs(tx, [again]), {
    lockTimeoutMs: LOCK_TIMEOUT_MS,
  })
}

function isOver(parts: PaymentParts, row: StoredTransaction): boolean {
  return row.until !== null && parts.clock.now() >= row.until
}

/** Each code counts once: retrying one and the same request never ends a payment. */
async function checkCode(parts: PaymentParts, row: StoredTransaction, code: string): Promise<void> {
  if (isOver(parts, row)) {
    await decline(parts, row, 'verification_expired')
    throw new AppError('code_expired')
  }
  const answer = await answerCode(parts, row, code)
  if (answer === 'right') return
  const { attemptsLeft } = answer
  if (attemptsLeft > 0) throw new AppError('code_wrong', { attemptsLeft })
  await decline(parts, row, 'verification_failed')
  throw new AppError('code_expired')
}

async function decline(
  parts: PaymentParts,
  row: StoredTransaction,
  declineReason: 'bank_account_disabled' | 'verification_expired' | 'verification_failed',
  request: RequestRecord | null = null,
): Promise<void> {
  const step = { by: 'abandon', to: 'declined', declineReason, request } as const
  const verdict = await advance(parts, row, step)
  const settledMeanwhile =
    verdict.outcome === 'void' &&
    typeof verdict.reason !== 'string' &&
    verdict.reason.is === 'not_waiting'
  if (verdict.outcome === 'void' && !settledMeanwhile) throw refusalOf(verdict)
}

async function capture(
  parts: PaymentParts,
  row: StoredTransaction,
  request: RequestRecord | null,
): Promise<Answered<TransactionView>> {
  const terms = termsOf(row)
  const fromBank = terms.kind === 'bank_payment'
  const until = fromBank ? after(parts.clock.now(), BANK_TAKES) : null
  const to = fromBank ? 'waits_for_bank' : 'accepted'
  const verdict = await advance(parts, row, {
    by: 'confirm',
    to,
    request,
    jobs: fromBank ? [submission(terms)] : [],
    ...(until !== null && { until }),
  })
  if (verdict.outcome !== 'void') {
    const value = payerView({ ...row, status: states[to], postedAt: verdict.at, until })
    return { value, replayed: false }
  }
  if (typeof verdict.reason !== 'string' && verdict.reason.is === 'replay') {
    return await replay(parts, row.payerId, verdict.reason.subject)
  }
  if (typeof verdict.reason !== 'string' && verdict.reason.is === 'bank_account_not_verified') {
    // It was unlinked while the payment waited: no transfer starts from it any more.
    await decline(parts, row, 'bank_account_disabled', request)
    return await replayNow(parts, row)
  }
  throw refusalOf(verdict)
}

async function replayNow(
  parts: PaymentParts,
  row: StoredTransaction,
): Promise<Answered<TransactionView>> {
  const { value } = await replay(parts, row.payerId, row.transactionId)
  return { value, replayed: false }
}
