import { createHmac, timingSafeEqual } from 'node:crypto'
import { inTransaction } from '../db/tx.ts'
import { AppError } from '../errors.ts'
import type { TransactionId, UserId } from '../ids/ids.ts'
import { walletOf } from '../ledger/account.ts'
import { lockAccounts } from '../ledger/store.ts'
import { printDollars } from '../money.ts'
import type { Job } from '../queue/jobs.ts'
import { after, DAY, HOUR, SECOND } from '../time.ts'
import type { Micros } from '../time.ts'
import { codeRecipient } from '../users/code-recipient.ts'
import { findUser, findUsers } from '../users/find.ts'
import { LOCK_TIMEOUT_MS } from './parts.ts'
import type { PaymentParts } from './parts.ts'
import type { StoredTransaction } from './ride/passenger.ts'
import { stateOf } from './rules/state.ts'
import * as store from './store.ts'

/** How long a payment waits for its payer's code. */
export const CODE_LIVES = 24n * HOUR
/** Different codes that may be tried for a payment: one chance in 200,000 for who guesses. */
export const CODES_TRIED_MAX = 5
/** Payments of one user that may ask for a code within 24 h, and that may fail by codes. */
const ASKED_MAX = 20
const FAILED_MAX = 3
/**
 * Different wrong codes that a user may give in 24 h for all payments together: with them a thief
 * of a session has one chance in 60,000 a day.
 */
const WRONG_PER_DAY = FAILED_MAX * CODES_TRIED_MAX

const DIGITS = 6

/**
 * The payer's code of a transaction. It is derived, not stored: it stands in no table, no job and
 * no back-up, and is known to whoever has the key or the message.
 */
export function codeOf(secret: Uint8Array, transaction: TransactionId): string {
  const hash = createHmac('sha256', secret).update(`payment-code:${transaction}`).digest()
  return String(hash.readUIntBE(0, 6) % 10 ** DIGITS).padStart(DIGITS, '0')
}

export function isCode(secret: Uint8Array, transaction: TransactionId, given: string): boolean {
  const [right, answer] = [codeOf(secret, transaction), given].map((text) => Buffer.from(text))
  return right?.length === answer?.length && timingSafeEqual(right ?? EMPTY, answer ?? EMPTY)
}

const EMPTY = Buffer.alloc(0)

/** What is kept of an answer, so that the same one again is not counted again. */
function triedDigest(secret: Uint8Array, transaction: TransactionId, given: string): Buffer {
  return createHmac('sha256', secret).update(`tried-code:${transaction}:${given}`).digest()
}

/** @throws AppError `rate_limited`: too many payments of this user asked for codes, or failed. */
export async function requireFewCodes(parts: PaymentParts, payer: UserId): Promise<void> {
  const now = parts.clock.now()
  const { asked, failed, nextEnd } = await store.countCodes(parts.pool, payer, now, CODES_TRIED_MAX)
  if (asked < ASKED_MAX && failed < FAILED_MAX) return
  throw tooMany(nextEnd ?? now, now)
}

/** @throws AppError `contact_missing`: there is no address that a code could go to. */
export async function requireRecipient({ pool, clock }: PaymentParts, payer: UserId) {
  const user = await findUser(pool, payer)
  if (user && !codeRecipient(user, clock.now())) {
    throw new AppError('contact_missing', {
      field: '/email',
      why: 'a code needs an e-mail address',
    })
  }
}

/**
 * Compares an answer, and counts it when it is wrong, once however often it comes. Under the lock
 * of the payer's wallet, so that answers to many payments at once share one budget.
 *
 * @returns `right`, or how many more different ones may be tried for this payment.
 * @throws AppError `rate_limited` when the day's budget is spent, whatever the answer: else it
 * would tell the right one. The payment goes on waiting.
 */
export async function answerCode(
  parts: PaymentParts,
  { payerId, transactionId }: StoredTransaction,
  code: string,
): Promise<'right' | Readonly<{ attemptsLeft: number }>> {
  const now = parts.clock.now()
  const digest = triedDigest(parts.digestKey, transactionId, code)
  return await inTransaction(
    parts.pool,
    async (tx) => {
      await lockAccounts(tx, [walletOf(payerId)])
      const { known, tried } = await store.readTried(tx, payerId, transactionId, digest)
      if (known || tried >= CODES_TRIED_MAX) return { attemptsLeft: CODES_TRIED_MAX - tried }
      const budget = await store.readCodeBudget(tx, payerId, after(now, -DAY))
      if (budget.wrong >= WRONG_PER_DAY) throw tooMany(budget.beganAt + DAY, now)
      if (isCode(parts.digestKey, transactionId, code)) return 'right'
      await store.addTried(tx, payerId, transactionId, digest)
      await store.spendCodeBudget(tx, payerId, now, after(now, -DAY))
      return { attemptsLeft: CODES_TRIED_MAX - tried - 1 }
    },
    { lockTimeoutMs: LOCK_TIMEOUT_MS },
  )
}

function tooMany(until: bigint, now: Micros): AppError {
  return new AppError('rate_limited', { retryAfterSeconds: Number((until - now) / SECOND) + 1 })
}

/** The job behind a payment that waits: makes the code anew and sends it. Null: nothing waits. */
export async function codeMessage(
  parts: PaymentParts,
  payerId: UserId,
  id: TransactionId,
): Promise<(Job & { name: 'send-message' })['payload'] | null> {
  const [row] = await store.findOwnTransactions(parts.pool, payerId, [id])
  if (!row || stateOf(row.status) !== 'waits_for_code') return null
  const users = await findUsers(parts.pool, [row.payerId, row.payeeId])
  const [payer, payee] = [users.get(row.payerId), users.get(row.payeeId)]
  if (!payer || !payee) throw new Error(`transaction ${id} has lost a party`)
  const recipient = codeRecipient(payer, parts.clock.now())
  if (!recipient) throw new Error(`transaction ${id} waits for a code that cannot be sent`)
  return {
    userId: payer.userId,
    ...recipient,
    ...textOf(row, `${payee.displayName} (@${payee.handle})`, codeOf(parts.digestKey, id)),
  }
}

function textOf({ amount }: StoredTransaction, payee: string, code: string) {
  const dollars = printDollars(amount)
  const body = [
    `Your code is ${code}. It confirms your payment of ${dollars} to ${payee}.`,
    '',
    'Not you? Then do nothing: the money stays yours, and the payment ends after 24 hours.',
  ].join('\n')
  return { subject: `Confirm your payment of ${dollars}`, body }
}
