import { setTimeout as sleep } from 'node:timers/promises'
import { findShown } from '../db/citus/shown.ts'
import type { Queryable } from '../db/query.ts'
import { AppError } from '../errors.ts'
import type { UserId } from '../ids/ids.ts'
import { findUser, userByLogin } from '../users/find.ts'
import type { Directory, Verdict } from './directory.ts'
import { needsSecond } from './factors/second-factors.ts'
import type { SecondFactors, SecondFactorsOf } from './factors/second-factors.ts'
import type { EventKind, Recorder, Whence } from './guard/record.ts'
import { guesserOf } from './guard/throttle.ts'
import type { Throttle } from './guard/throttle.ts'

/** No refusal comes earlier, whatever the reason: its time must not tell which it was. */
const REFUSED_AFTER_MS = 250

/** Who showed the right password, and what else they must show. */
export type Recognized = Readonly<{
  userId: UserId
  /** True: the password is right and must be changed before anything else. */
  expired: boolean
  /** Null when the password is all they have. */
  second: SecondFactorsOf | null
}>

/** What is asked for: a refusal is written down as that. */
export type Opens = Extract<EventKind, 'sign_in' | 'step_up'>

export type SignInParts = Readonly<{
  db: Queryable
  directory: Directory
  factors: SecondFactors
  throttle: Throttle
  record: Recorder
}>

export type SignIn = Readonly<{
  /**
   * Whose login and password these are.
   *
   * @throws AppError `credentials_invalid` for an unknown login, a wrong password, and one who may
   * not sign in, alike; `rate_limited`, `overloaded`, `directory_unavailable`.
   */
  password: (
    ask: Readonly<{ login: string; password: string }>,
    whence: Whence,
    opens: Opens,
  ) => Promise<Recognized>
  /**
   * Takes a code of someone who has shown the password before.
   *
   * @returns the methods that a session may claim.
   * @throws AppError `credentials_invalid`, `rate_limited`.
   */
  code: (userId: UserId, code: string, whence: Whence, opens: Opens) => Promise<readonly string[]>
}>

export function createSignIn(parts: SignInParts): SignIn {
  const { db, directory, factors, throttle, record } = parts

  async function password(
    { login, password }: Readonly<{ login: string; password: string }>,
    whence: Whence,
    kind: Opens,
  ): Promise<Recognized> {
    const startedAt = performance.now()
    const userId = await userByLogin(db, login)
    const guesser = guesserOf(userId, login, whence.network)
    const found = await throttle(guesser, async () => {
      const verdict = await verdictOn(userId, password)
      if (userId !== null && (verdict === 'right' || verdict === 'expired')) {
        return { userId, expired: verdict === 'expired' }
      }
      const facts = { why: userId === null ? 'unknown' : verdict }
      await record({ ...whence, userId, kind, outcome: 'refused', facts })
      return null
    })
    if (!found) return await refuseLate(startedAt)
    const second = await factors.enrolled(found.userId)
    return { ...found, second: needsSecond(second) ? second : null }
  }

  /** A closed user's password is as wrong as any. */
  async function verdictOn(userId: UserId | null, password: string): Promise<Verdict> {
    const user = userId && (await findShown(db, async () => await findUser(db, userId)))
    const known = user !== null && user.status !== 'closed'
    return await directory.verify(known ? userId : null, password)
  }

  async function code(
    userId: UserId,
    code: string,
    whence: Whence,
    kind: Opens,
  ): Promise<readonly string[]> {
    const startedAt = performance.now()
    const method = await factors.useCode(userId, code, whence)
    if (method !== null) return ['pwd', method, 'mfa']
    const facts = { why: 'code' }
    await record({ ...whence, userId, kind, outcome: 'refused', facts })
    return await refuseLate(startedAt)
  }

  return { password, code }
}

async function refuseLate(startedAt: number): Promise<never> {
  const left = REFUSED_AFTER_MS - (performance.now() - startedAt)
  if (left > 0) await sleep(left)
  throw new AppError('credentials_invalid')
}
