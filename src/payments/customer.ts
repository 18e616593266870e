import { findShown } from '../db/citus/shown.ts'
import { inTransaction } from '../db/tx.ts'
import { AppError } from '../errors.ts'
import { newId } from '../ids/ids.ts'
import type { UserId } from '../ids/ids.ts'
import { walletOf } from '../ledger/account.ts'
import { openAccounts } from '../ledger/store.ts'
import { findUser } from '../users/find.ts'
import { takeIdentity, userByIdentity } from '../users/identity.ts'
import { openOutsider } from '../users/open.ts'
import { LOCK_TIMEOUT_MS } from './parts.ts'
import type { QuietParts } from './parts.ts'

/** Whom an outside issuer's token speaks for. Their name and address are what it says, unproven. */
export type Outsider = Readonly<{
  issuer: string
  subject: string
  name: string | null
  email: string | null
}>

/**
 * The user that an outsider is. At their first request one is opened, with a wallet: however many
 * first requests come at once, all find the same.
 *
 * @throws AppError `action_forbidden` for one whose user was closed.
 */
export async function customerOf(
  parts: Pick<QuietParts, 'pool' | 'clock'>,
  outsider: Outsider,
): Promise<UserId> {
  const { pool } = parts
  const known = await userByIdentity(pool, outsider)
  if (known === null) return await open(parts, outsider)
  const user = await findShown(pool, async () => await findUser(pool, known))
  if (!user) throw new Error('an identity has lost its user')
  if (user.status === 'closed') {
    throw new AppError('action_forbidden', { why: 'the account was closed' })
  }
  return known
}

async function open(
  parts: Pick<QuietParts, 'pool' | 'clock'>,
  outsider: Outsider,
): Promise<UserId> {
  const { issuer, subject, email, name } = outsider
  const userId = newId('user')
  const now = parts.clock.now()
  const opened = await inTransaction(
    parts.pool,
    async (tx) => {
      if (!(await takeIdentity(tx, { identity: { issuer, subject }, userId, now }))) return false
      await openOutsider(tx, { userId, email, name, now })
      await openAccounts(tx, [{ id: walletOf(userId), floor: 'zero' }], now)
      return true
    },
    { lockTimeoutMs: LOCK_TIMEOUT_MS },
  )
  // Whoever came first has committed: the claim has waited for it.
  return opened ? userId : await customerOf(parts, outsider)
}
