import { inFencedTransaction } from '../db/fence.ts'
import type { Fence } from '../db/fence.ts'
import type { Pool } from '../db/pool.ts'
import type { Session } from '../db/query.ts'
import type { TransactionOptions } from '../db/tx.ts'
import type { UserId } from '../ids/ids.ts'
import { raiseView } from './store.ts'

/**
 * Runs what changes what a user sees of themselves, but for their money, in one transaction: their
 * profile, contacts and status, and their bank accounts. No copy of what was is read afterwards.
 * When it cannot be done so at first, all of `work` is rolled back and done again.
 *
 * @throws AppError as `inTransaction` does, and what `work` throws.
 */
export async function changeView<T>(
  parts: Readonly<{ pool: Pool; fence: Fence }>,
  userId: UserId,
  work: (tx: Session) => Promise<T>,
  options: TransactionOptions,
): Promise<T> {
  return await inFencedTransaction(
    parts,
    async (tx, raise) => {
      const done = await work(tx)
      const view = await raiseView(tx, userId)
      if (view !== null) await raise([{ user: userId, money: null, view }])
      return done
    },
    options,
  )
}
