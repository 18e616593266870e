import type { Queryable } from '../db/query.ts'
import type { UserId } from '../ids/ids.ts'
import type { Micros } from '../time.ts'
import { claimIdentity, readIdentity } from './store.ts'
import type { Identity } from './store.ts'

/** The user that an outside issuer's subject is; `null` for one who has not come yet. */
export async function userByIdentity(db: Queryable, identity: Identity): Promise<UserId | null> {
  return await readIdentity(db, identity)
}

/**
 * Makes an outside issuer's subject this new user's. Of many that come at once one gets it, and
 * the others learn that they did not when its transaction has committed.
 *
 * @returns whether it is this user's.
 */
export async function takeIdentity(
  tx: Queryable,
  ask: Readonly<{ identity: Identity; userId: UserId; now: Micros }>,
): Promise<boolean> {
  return await claimIdentity(tx, ask.identity, ask.userId, ask.now)
}
