import type { UserId } from '../ids/ids.ts'
import { walletOf } from '../ledger/account.ts'
import { lockAccounts, setAccountState } from '../ledger/store.ts'
import { changeView } from '../users/change-view.ts'
import { setStatus } from '../users/freeze.ts'
import type { User } from '../users/user.ts'
import type { Staff } from './asks.ts'
import { LOCK_TIMEOUT_MS } from './parts.ts'
import type { PaymentParts } from './parts.ts'

/**
 * Stops a user from sending, or lets them again: from the commit on, for every batch on every
 * server, because the ledger itself asks the locked wallet. What is on its way still arrives, and
 * the user can sign in, look and receive. Who did it is written down with it.
 *
 * @throws AppError `user_unknown`, also for a closed user.
 */
export async function setFrozen(
  parts: Pick<PaymentParts, 'pool' | 'fence' | 'noteFrozen'>,
  userId: UserId,
  frozen: boolean,
  by: Staff,
): Promise<User> {
  return await changeView(
    parts,
    userId,
    async (tx) => {
      // In the order in which all that a user asks for locks: see `once`.
      await lockAccounts(tx, [walletOf(userId)])
      const user = await setStatus(tx, userId, frozen ? 'frozen' : 'active')
      await setAccountState(tx, walletOf(userId), frozen ? 'blocked' : 'open')
      await parts.noteFrozen(tx, { userId, frozen, by })
      return user
    },
    { lockTimeoutMs: LOCK_TIMEOUT_MS },
  )
}
