import type { Queryable } from '../db/query.ts'
import { AppError } from '../errors.ts'
import type { UserId } from '../ids/ids.ts'
import { lockUser, updateStatus } from './store.ts'
import type { User, UserStatus } from './user.ts'

/**
 * Freezes, thaws or closes a user and gives them back as they now are. Closing is for ever: the
 * names stay taken, so that nobody inherits payments that were meant for someone else. The ledger
 * account is not touched here.
 *
 * @throws AppError `user_unknown` for nobody, and for a closed user who is to become anything else.
 */
export async function setStatus(tx: Queryable, userId: UserId, status: UserStatus): Promise<User> {
  const before = await lockUser(tx, userId)
  if (!before || (before.status === 'closed' && status !== 'closed')) {
    throw new AppError('user_unknown')
  }
  await updateStatus(tx, userId, status)
  return { ...before, status }
}
