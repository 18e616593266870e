import type { Pool } from '../../db/pool.ts'
import { inTransaction } from '../../db/tx.ts'
import { AppError } from '../../errors.ts'
import type { UserId } from '../../ids/ids.ts'
import type { StaffRole } from '../../scopes.ts'
import type { Clock } from '../../time.ts'
import { lockUser } from '../../users/store.ts'
import type { User } from '../../users/user.ts'
import { writeRole } from '../directories/store.ts'
import type { Recorder, Whence } from '../guard/record.ts'
import { transaction } from '../transaction.ts'
import { denyTokens } from './disconnect.ts'

export type RoleChange = Readonly<{
  userId: UserId
  /** Null: a customer like all others. */
  role: StaffRole | null
  by: Whence & Readonly<{ name: string }>
}>

/**
 * Gives a user a role of the built-in directory in the place of any other, and writes it down. A
 * role stands in tokens, so those that are out end, as with `disconnect`; sessions stay, and apps
 * refresh. For who has that role already nothing happens.
 *
 * @throws AppError `user_unknown`
 */
export async function changeRole(
  { pool, clock, record }: Readonly<{ pool: Pool; clock: Clock; record: Recorder }>,
  { userId, role, by }: RoleChange,
): Promise<User> {
  return await inTransaction(
    pool,
    async (tx) => {
      const user = await lockUser(tx, userId)
      if (!user) throw new AppError('user_unknown')
      const now = clock.now()
      if (await writeRole(tx, { userId, role, now })) {
        await denyTokens(tx, userId, now)
        const { name, ...whence } = by
        const facts = { role: role ?? 'customer', by: name }
        await record({ ...whence, userId, kind: 'role_changed', outcome: 'done', facts }, tx)
      }
      return user
    },
    transaction,
  )
}
