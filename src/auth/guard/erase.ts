import type { Queryable } from '../../db/query.ts'
import { after, HOUR } from '../../time.ts'
import type { Micros } from '../../time.ts'
import { RESET_STAYS_READY } from '../recovery/factor-reset.ts'
import { deleteExpired, expiring } from './store.ts'

/** The clocks of servers differ: what is over here may still be looked at elsewhere. */
const KEPT = HOUR
/** Bounds one statement's locks. */
export const ERASED_AT_ONCE = 1_000
/** Bounds one job: a million rows of each table. What is left is for the next, minutes later. */
const ROUNDS_MAX = 1_000

/**
 * Erases what has been over for an hour: tickets, counts, revocations, what the OpenID provider
 * keeps, and resets of second factors that nobody finished.
 *
 * @returns The most that were erased in one table; ERASED_AT_ONCE says that there may be more.
 */
export async function eraseExpired(db: Queryable, now: Micros): Promise<number> {
  let most = 0
  for (const table of expiring) {
    const kept = table === 'factor_reset' ? KEPT + RESET_STAYS_READY : KEPT
    most = Math.max(most, await deleteExpired(db, table, after(now, -kept), ERASED_AT_ONCE))
  }
  return most
}

/** Repeats it until nothing is left, or a million rows of a table are gone. */
export async function eraseAllExpired(db: Queryable, now: Micros): Promise<void> {
  for (let round = 0; round < ROUNDS_MAX; round++) {
    if ((await eraseExpired(db, now)) < ERASED_AT_ONCE) return
  }
}
