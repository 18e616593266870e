import { createHmac, randomInt, timingSafeEqual } from 'node:crypto'
import type { Queryable } from '../db/query.ts'
import { AppError } from '../errors.ts'
import type { UserId } from '../ids/ids.ts'
import { after, MINUTE, SECOND } from '../time.ts'
import type { Micros } from '../time.ts'
import {
  countAttempt,
  deleteCode,
  lockUser,
  markVerified,
  readCode,
  readUser,
  replaceCode,
} from './store.ts'
import type { Channel, User } from './user.ts'

const CODE_DIGITS = 6
const CODE_LIVES = 30n * MINUTE
/**
 * Five attempts are one chance in 200,000 per code, and a code comes at most every 30 s: who
 * guesses day and night has 1.4 % a day, and sends the owner 2,880 messages for it.
 */
const MOST_ATTEMPTS = 5
const BETWEEN_CODES = 30n * SECOND

export type CodeAsk = Readonly<{
  userId: UserId
  channel: Channel
  now: Micros
  /** 32 bytes. Without it a stolen table of digests would give up its six digits in a second. */
  digestKey: Uint8Array
}>

/**
 * A new code of six digits for the user's e-mail address or phone number, and where to send it. It
 * ends after 30 minutes or five attempts, and replaces the older one.
 *
 * @throws AppError `user_unknown`, `contact_verified`; `rate_limited` with `retryAfterSeconds` when
 * the same recipient got one within the last 30 s.
 */
export async function issueContactCode(
  tx: Queryable,
  ask: CodeAsk,
): Promise<{ code: string; recipient: string }> {
  const { userId, channel, now, digestKey } = ask
  const user = await lockUser(tx, userId)
  if (!user) throw new AppError('user_unknown')
  if (isVerified(user, channel)) throw new AppError('contact_verified')

  const recipient = recipientOf(user, channel)
  const code = String(randomInt(10 ** CODE_DIGITS)).padStart(CODE_DIGITS, '0')
  const digest = digestOf(digestKey, [userId, channel, recipient, code])
  const expiresAt = after(now, CODE_LIVES)
  const replaceable = after(expiresAt, -BETWEEN_CODES)
  if (await replaceCode(tx, { userId, channel, recipient, digest, expiresAt }, replaceable)) {
    return { code, recipient }
  }
  const inForce = await readCode(tx, userId, channel)
  const wait = inForce ? inForce.expiresAt - replaceable : SECOND
  throw new AppError('rate_limited', { retryAfterSeconds: Number((wait + SECOND - 1n) / SECOND) })
}

/**
 * Marks the contact as verified when the code is right, and gives the user back. The caller
 * commits also when this refuses: a wrong attempt must stay counted.
 *
 * @throws AppError `code_wrong` with `attemptsLeft`; `code_expired` when there is no code, or it
 * ended, or the contact has changed since; `contact_verified`, `user_unknown`.
 */
export async function confirmContact(
  db: Queryable,
  ask: CodeAsk & Readonly<{ code: string }>,
): Promise<User> {
  const { userId, channel, code, now, digestKey } = ask
  const user = await readUser(db, userId)
  if (!user) throw new AppError('user_unknown')
  if (isVerified(user, channel)) throw new AppError('contact_verified')

  // Counted before it is compared, so that guesses sent at once cannot share one attempt.
  const attempt = await countAttempt(db, { userId, channel, most: MOST_ATTEMPTS, now })
  if (!attempt) throw new AppError('code_expired')
  const { recipient, digest } = attempt
  if (!timingSafeEqual(digest, digestOf(digestKey, [userId, channel, recipient, code]))) {
    throw new AppError('code_wrong', { attemptsLeft: MOST_ATTEMPTS - attempt.attempts })
  }
  const verified = await markVerified(db, { userId, channel, recipient, now })
  if (!verified) throw new AppError('code_expired')
  await deleteCode(db, { userId, channel, digest })
  return verified
}

/** What the message with a code says: how to use it or ignore it, and nothing of the account. */
export function contactMessage(
  channel: Channel,
  code: string,
): Readonly<{ subject: string; body: string }> {
  const subject = 'Your Farthing code'
  if (channel === 'phone') {
    const secrecy = 'Nobody from Farthing will ever ask you for it.'
    return { subject, body: `${code} is your Farthing code. It works for 30 minutes. ${secrecy}` }
  }
  const body = [
    'Hello,',
    '',
    `your code is ${code}. Enter it in Farthing to confirm that this e-mail address is yours.`,
    'It works for 30 minutes.',
    '',
    'Nobody from Farthing will ever ask you for it. If you did not ask for a code, you need not do',
    'anything: without the code, nothing happens.',
  ].join('\n')
  return { subject, body }
}

function isVerified(user: User, channel: Channel): boolean {
  return (channel === 'email' ? user.emailVerifiedAt : user.phoneVerifiedAt) !== null
}

function recipientOf(user: User, channel: Channel): string {
  return channel === 'email' ? user.email : user.phoneNumber
}

/** JSON keeps the parts apart: no two lists of texts give the same bytes. */
function digestOf(key: Uint8Array, parts: readonly string[]): Buffer {
  return createHmac('sha256', key)
    .update(JSON.stringify(['contact', ...parts]))
    .digest()
}
