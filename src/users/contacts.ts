import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import type { Queryable } from '../db/query.ts'
import { AppError } from '../errors.ts'
import type { UserId } from '../ids/ids.ts'
import { after, DAY, MINUTE, SECOND } from '../time.ts'
import type { Micros } from '../time.ts'
import {
  countAttempt,
  endCode,
  lockCode,
  lockUser,
  markVerified,
  readCode,
  replaceCode,
} from './store.ts'
import type { Day } from './store.ts'
import type { Channel, User } from './user.ts'

const SEED_BYTES = 32
const CODE_DIGITS = 6
/** Of the 256 bits, what is taken for a code: so many that each is as likely as any other. */
const CODE_BYTES = 6
const CODE_LIVES = 30n * MINUTE
const MOST_ATTEMPTS = 5
const BETWEEN_CODES = 30n * SECOND
/**
 * For each channel of a user, whoever the codes go to: changing the address back and forth mails
 * nobody more often, and gives no fresh guesses. Twenty attempts are one chance in 50,000 a day.
 */
export const CODES_PER_DAY = 10
export const ATTEMPTS_PER_DAY = 20

export type CodeAsk = Readonly<{
  userId: UserId
  channel: Channel
  now: Micros
  /** 32 bytes. Without it a stolen table of digests would give up its six digits in a second. */
  digestKey: Uint8Array
}>

/** What the code is made from, with the key, when its message leaves. Neither is one alone. */
export type SeededCode = Readonly<{
  userId: UserId
  channel: Channel
  recipient: string
  seed: string
}>

/** The six digits that go to the recipient. Pure. */
export function contactCode(key: Uint8Array, seeded: SeededCode): string {
  const { userId, channel, recipient, seed } = seeded
  const bits = digestOf(key, ['code', userId, channel, recipient, seed]).readUIntBE(0, CODE_BYTES)
  return String(bits % 10 ** CODE_DIGITS).padStart(CODE_DIGITS, '0')
}

/**
 * A new code of six digits for the user's e-mail address or phone number, and where to send it: as
 * a seed, so that no table and no job holds the code itself. It ends after 30 minutes or five
 * attempts, and replaces the older one, whoever got that.
 *
 * @throws AppError `user_unknown`, `contact_missing`, `contact_verified`; `rate_limited` with
 * `retryAfterSeconds` when one was sent on this channel within the last 30 s, or ten were sent or
 * twenty tried within a day, which begins with its first code and lasts 24 hours.
 */
export async function issueContactCode(tx: Queryable, ask: CodeAsk): Promise<SeededCode> {
  const { userId, channel, now, digestKey } = ask
  const user = await lockUser(tx, userId)
  if (!user) throw new AppError('user_unknown')
  if (isVerified(user, channel)) throw new AppError('contact_verified')
  const recipient = channel === 'email' ? user.email : user.phoneNumber
  if (recipient === null) throw new AppError('contact_missing')

  const expiresAt = after(now, CODE_LIVES)
  const latest = await lockCode(tx, userId, channel)
  const day = latest && now < after(latest.beganAt, DAY) ? latest : dayFrom(now)
  const spaced = latest ? after(latest.expiresAt, BETWEEN_CODES - CODE_LIVES) : now
  refuseUntil(isUsedUp(day) ? after(day.beganAt, DAY) : spaced, now)

  const seeded = { userId, channel, recipient, seed: randomBytes(SEED_BYTES).toString('base64url') }
  const code = contactCode(digestKey, seeded)
  const digest = digestOf(digestKey, [userId, channel, recipient, code])
  const issued = { userId, channel, recipient, digest, expiresAt }
  await replaceCode(tx, issued, { ...day, codes: day.codes + 1 })
  return seeded
}

function dayFrom(now: Micros): Day {
  return { beganAt: now, codes: 0, attempts: 0 }
}

function isUsedUp({ codes, attempts }: Day): boolean {
  return codes >= CODES_PER_DAY || attempts >= ATTEMPTS_PER_DAY
}

function refuseUntil(time: Micros, now: Micros): void {
  if (now >= time) return
  const retryAfterSeconds = Number((time - now + SECOND - 1n) / SECOND)
  throw new AppError('rate_limited', { retryAfterSeconds })
}

/**
 * Marks the contact as verified when the code is right, and gives the user back. The caller
 * commits also when this refuses: a wrong attempt must stay counted.
 *
 * @throws AppError `code_wrong` with `attemptsLeft`; `code_expired` when there is no code, or it
 * ended, or was tried too often, or the contact has changed since; `contact_verified`;
 * `user_unknown`.
 */
export async function confirmContact(
  db: Queryable,
  ask: CodeAsk & Readonly<{ code: string }>,
): Promise<User> {
  const { userId, channel, code, now, digestKey } = ask
  // Locked first, as whoever issues a code locks it first: else each could wait for the other.
  const user = await lockUser(db, userId)
  if (!user) throw new AppError('user_unknown')
  if (isVerified(user, channel)) throw new AppError('contact_verified')

  // Counted before it is compared, so that guesses sent at once cannot share one attempt.
  const most = { most: MOST_ATTEMPTS, mostToday: ATTEMPTS_PER_DAY }
  const tried = digestOf(digestKey, ['tried', userId, channel, code])
  const attempt = await countAttempt(db, { userId, channel, tried, ...most, now })
  if (!attempt) throw new AppError('code_expired')
  const { recipient, digest } = attempt
  if (!timingSafeEqual(digest, digestOf(digestKey, [userId, channel, recipient, code]))) {
    throw new AppError('code_wrong', { attemptsLeft: attempt.left })
  }
  const verified = await markVerified(db, { userId, channel, recipient, now })
  if (!verified) throw new AppError('code_expired')
  await endCode(db, { userId, channel, digest, now })
  return verified
}

/**
 * The message with a code, made anew when it leaves. Null when the code is worth nothing any more:
 * the queue was late, it was used, or another one took its place.
 */
export async function contactCodeMessage(
  db: Queryable,
  ask: SeededCode & Readonly<{ now: Micros; digestKey: Uint8Array }>,
): Promise<ReturnType<typeof contactMessage> | null> {
  const { userId, channel, recipient, now, digestKey } = ask
  const code = contactCode(digestKey, ask)
  const latest = await readCode(db, userId, channel)
  const digest = digestOf(digestKey, [userId, channel, recipient, code])
  if (!latest || now >= latest.expiresAt || !latest.digest.equals(digest)) return null
  return contactMessage(channel, code)
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

/** JSON keeps the parts apart: no two lists of texts give the same bytes. */
function digestOf(key: Uint8Array, parts: readonly string[]): Buffer {
  return createHmac('sha256', key)
    .update(JSON.stringify(['contact', ...parts]))
    .digest()
}
