import type { Queryable } from '../db/query.ts'
import type { UserId } from '../ids/ids.ts'
import type { StaffRole } from '../scopes.ts'
import type { Micros } from '../time.ts'
import type { Known } from './directories/password-rules.ts'

declare const enrolled: unique symbol

/** What `record` needs of a password that may be used. Its text is the directory's own business. */
export type Enrolled = string & { readonly [enrolled]: 'directory' }

/**
 * What a directory says of a password. `expired`: right, and must be changed before it opens
 * anything. `locked` and `disabled` are known only behind the right password in some directories:
 * whoever asks hears the same as for `wrong`, and only the record tells them apart.
 */
export type Verdict = 'right' | 'expired' | 'wrong' | 'locked' | 'disabled'

/**
 * The one place that knows who has which password. Every function throws AppError
 * `directory_unavailable` when the directory is away, and `overloaded` when too many ask.
 */
export type Directory = Readonly<{
  /**
   * Checks a new user's password and prepares their entry. Slow, so it comes before the transaction
   * that makes the user: no connection waits meanwhile. An entry whose transaction then fails opens
   * nothing: no login leads to it.
   *
   * @throws AppError `password_refused` with why.
   */
  enroll: (ask: Readonly<{ userId: UserId; password: string; known: Known }>) => Promise<Enrolled>
  /** Gives the new user that entry, in the transaction that makes them. */
  record: (
    tx: Queryable,
    ask: Readonly<{ userId: UserId; enrolled: Enrolled; now: Micros }>,
  ) => Promise<void>
  /**
   * Makes the entry fit to sign in with, after the commit. May fail: the first sign-in makes it up.
   */
  finish: (userId: UserId, now: Micros) => Promise<void>
  /** Whether the password is the user's. `null` stands for nobody, and takes as long. */
  verify: (userId: UserId | null, password: string) => Promise<Verdict>
  /**
   * Changes the password of who knows the one before, also an expired one. `wrong` changes nothing.
   *
   * @throws AppError `password_refused` with why.
   */
  change: (
    ask: Readonly<{
      userId: UserId
      before: string
      password: string
      known: Known
      now: Micros
    }>,
  ) => Promise<'changed' | Exclude<Verdict, 'right' | 'expired'>>
  /**
   * Sets the password of who has proven otherwise to be the user.
   *
   * @throws AppError `password_refused` with why; `password_managed` when the user's password is
   * not this directory's to set.
   */
  reset: (
    ask: Readonly<{ userId: UserId; password: string; known: Known; now: Micros }>,
  ) => Promise<void>
  /** What the directory says of them now: `open` is false for one who may not sign in any more. */
  standing: (userId: UserId) => Promise<Readonly<{ open: boolean; roles: readonly StaffRole[] }>>
}>
