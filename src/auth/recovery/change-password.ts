import type { Session } from '../../db/query.ts'
import { inTransaction } from '../../db/tx.ts'
import { AppError } from '../../errors.ts'
import type { UserId } from '../../ids/ids.ts'
import { after } from '../../time.ts'
import { findUser } from '../../users/find.ts'
import { lockUser } from '../../users/store.ts'
import { passwordRefusal } from '../directories/password-rules.ts'
import type { Whence } from '../guard/record.ts'
import { guesserOf } from '../guard/throttle.ts'
import { CLOCKS_APART, endTickets } from '../tickets/own.ts'
import { transaction } from '../transaction.ts'
import { passwordChanged, tellOwner } from './messages.ts'
import { knownOf } from './parts.ts'
import type { RecoveryParts } from './parts.ts'

export type PasswordChange = Readonly<{
  userId: UserId
  /** The browser that stays signed in, with all that began there; null: none does. */
  stays: string | null
  before: string
  password: string
  whence: Whence
}>

/**
 * Changes the password of who knows the one before, ends all other sessions and every link that
 * resets it, and tells the owner.
 *
 * @throws AppError `credentials_invalid` when the one before is wrong, `password_refused` with why;
 * `rate_limited`, `overloaded`, `directory_unavailable`.
 */
export async function changePassword(parts: RecoveryParts, ask: PasswordChange): Promise<void> {
  const { pool, clock, directory, sessions } = parts
  const { userId, stays, before, password, whence } = ask
  const user = await findUser(pool, userId)
  if (!user || user.status === 'closed') throw new AppError('credentials_invalid')
  const known = knownOf(user)
  // Before a guess is counted: what is no use as a password says nothing of the one before.
  const why = passwordRefusal(password, known)
  if (why !== null) throw new AppError('password_refused', { why })
  await requireBefore(parts, ask)

  // Ended first: should this process die behind the directory's answer, none is left open.
  await inTransaction(pool, async (tx) => await sessions.endAll(tx, userId, stays), transaction)
  const verdict = await directory.change({ userId, before, password, known, now: clock.now() })
  if (verdict !== 'changed') {
    await recordRefusal(parts, userId, verdict, whence)
    throw new AppError('credentials_invalid')
  }
  await inTransaction(pool, async (tx) => await settle(parts, tx, ask), transaction)
}

/** Whoever took a session guesses no faster than at the sign-in page. */
async function requireBefore(
  parts: RecoveryParts,
  { userId, before, whence }: PasswordChange,
): Promise<void> {
  const guesser = guesserOf(userId, '', whence.network)
  const right = await parts.throttle(guesser, async () => {
    const verdict = await parts.directory.verify(userId, before)
    if (verdict === 'right' || verdict === 'expired') return verdict
    await recordRefusal(parts, userId, verdict, whence)
    return null
  })
  if (right === null) throw new AppError('credentials_invalid')
}

async function recordRefusal(
  { record }: RecoveryParts,
  userId: UserId,
  why: string,
  whence: Whence,
): Promise<void> {
  const kind = 'password_changed'
  await record({ ...whence, userId, kind, outcome: 'refused', facts: { why } })
}

/** Sessions that began with the password before, while it was being changed, end too. */
async function settle(
  { clock, sessions, record }: RecoveryParts,
  tx: Session,
  { userId, stays, whence }: PasswordChange,
): Promise<void> {
  const user = await lockUser(tx, userId)
  if (!user) throw new Error('A user whose password was changed has gone')
  const sentBefore = after(clock.now(), CLOCKS_APART)
  await endTickets(tx, { userId, purpose: 'password-reset', sentBefore })
  await sessions.endAll(tx, userId, stays)
  await tellOwner(tx, user, passwordChanged(), clock.now())
  await record({ ...whence, userId, kind: 'password_changed', outcome: 'done', facts: {} }, tx)
}
