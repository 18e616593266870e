import type { Queryable } from '../db/query.ts'
import { AppError } from '../errors.ts'
import type { BankAccountId, UserId } from '../ids/ids.ts'
import type { Micros } from '../time.ts'
import { disable } from './store.ts'

/**
 * Unlinks a bank account: always allowed, and at once.
 *
 * - No transfer starts from then on. A transfer holds the row with `lockForTransfer` until it is
 *   committed and this updates the row, so one of them comes first and the other one sees it.
 * - A transfer that came first goes on: what was on its way arrives, or comes back to the wallet.
 *   The instruction still needs the number, which therefore stays sealed in the row and opens for
 *   it as before.
 * - Banks may send a transfer back for some 60 days, and a return is matched by its account number.
 *   When none can come any more, `eraseOld` erases the number.
 * - The same number may be linked again: that is another bank account, and has to be verified anew.
 *
 * @throws AppError `bank_account_unknown` when this user has no such bank account, or it is
 * unlinked already.
 */
export async function unlink(
  tx: Queryable,
  userId: UserId,
  bankAccountId: BankAccountId,
  now: Micros,
): Promise<void> {
  if (!(await disable(tx, userId, bankAccountId, now))) throw new AppError('bank_account_unknown')
}
