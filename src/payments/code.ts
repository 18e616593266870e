import { createHmac, timingSafeEqual } from 'node:crypto'
import { AppError } from '../errors.ts'
import type { TransactionId, UserId } from '../ids/ids.ts'
import { printDollars } from '../money.ts'
import type { Job } from '../queue/jobs.ts'
import { HOUR, SECOND } from '../time.ts'
import { codeRecipient } from '../users/code-recipient.ts'
import { findUsers } from '../users/find.ts'
import type { PaymentParts } from './parts.ts'
import type { StoredTransaction } from './ride/passenger.ts'
import { stateOf } from './rules/state.ts'
import * as store from './store.ts'

/** How long a payment waits for its payer's code. */
export const CODE_LIVES = 24n * HOUR
/** Different codes that may be tried for a payment: one chance in 200,000 for who guesses. */
export const CODES_TRIED_MAX = 5
/**
 * Payments of one user that may ask for a code within 24 h, and of those that may end by wrong
 * codes: with them a thief of a session has one chance in 60,000 a day, and sends 20 messages.
 */
const ASKED_MAX = 20
const FAILED_MAX = 3

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
export function triedDigest(secret: Uint8Array, transaction: TransactionId, given: string): Buffer {
  return createHmac('sha256', secret).update(`tried-code:${transaction}:${given}`).digest()
}

/** @throws AppError `rate_limited`: too many payments of this user asked for codes, or failed. */
export async function requireFewCodes(parts: PaymentParts, payer: UserId): Promise<void> {
  const now = parts.clock.now()
  const { asked, failed, nextEnd } = await store.countCodes(parts.pool, payer, now, CODES_TRIED_MAX)
  if (asked < ASKED_MAX && failed < FAILED_MAX) return
  const wait = nextEnd === null ? SECOND : nextEnd - now
  throw new AppError('rate_limited', { retryAfterSeconds: Number(wait / SECOND) + 1 })
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
  return {
    userId: payer.userId,
    ...codeRecipient(payer, parts.clock.now()),
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
