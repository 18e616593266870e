import type { Queryable } from '../db/query.ts'
import { AppError } from '../errors.ts'
import type { UserId } from '../ids/ids.ts'
import type { Micros } from '../time.ts'
import { findUser, userByLogin } from '../users/find.ts'
import { passwordRefusal } from './password-rules.ts'
import type { Known } from './password-rules.ts'
import type { Passwords } from './passwords.ts'
import { readCredential, rehashCredential, writeCredential } from './store.ts'

declare const sealed: unique symbol

/** A password that may be used, already hashed: all that a transaction needs of it. */
export type SealedPassword = string & { readonly [sealed]: 'phc' }

/** The one place that knows who has which password. */
export type Directory = Readonly<{
  /**
   * Checks and hashes a new password. Takes 20 ms and maybe a turn in a queue, so it comes before
   * the transaction that stores it: no connection waits meanwhile.
   *
   * @throws AppError `password_refused` with why; `overloaded`.
   */
  sealPassword: (password: string, known: Known) => Promise<SealedPassword>
  /** Gives a user that password in the place of any other. */
  setPassword: (
    tx: Queryable,
    ask: Readonly<{ userId: UserId; password: SealedPassword; now: Micros }>,
  ) => Promise<void>
  /**
   * Whose login and password these are; `null` for an unknown login, a wrong password and a closed
   * user alike, after the same work. A frozen user is found.
   *
   * @throws AppError `overloaded`
   */
  verify: (login: string, password: string) => Promise<UserId | null>
}>

/** No user has this id. Looking for it costs what looking for a user does. */
const NOBODY = '00000000-0000-0000-0000-000000000000' as UserId

/** The built-in directory: passwords in the table `credential`, hashed with argon2id. */
export function createDirectory(
  parts: Readonly<{ db: Queryable; passwords: Passwords }>,
): Directory {
  const { db, passwords } = parts

  async function verify(login: string, password: string): Promise<UserId | null> {
    const userId = (await userByLogin(db, login)) ?? NOBODY
    const [user, stored] = await Promise.all([findUser(db, userId), readCredential(db, userId)])
    const right = await passwords.verify(password, stored ?? passwords.dummy)
    if (!right || !user || !stored || user.status === 'closed') return null

    if (passwords.needsRehash(stored)) {
      const after = await passwords.hash(password)
      await rehashCredential(db, { userId, before: stored, after })
    }
    return userId
  }

  return {
    sealPassword: async (password, known) => {
      const why = passwordRefusal(password, known)
      if (why !== null) throw new AppError('password_refused', { why })
      return (await passwords.hash(password)) as SealedPassword
    },
    setPassword: async (tx, { userId, password, now }) => {
      await writeCredential(tx, { userId, phc: password, now })
    },
    verify,
  }
}
