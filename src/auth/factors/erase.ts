import type { Queryable } from '../../db/query.ts'
import type { Micros } from '../../time.ts'
import { eraseTickets } from './passkeys/store.ts'

/** Bounds one run to a second or so; what is left is for the next. */
export const ERASED_PER_RUN = 10_000

/**
 * Erases tickets that nobody brought back in time: challenges, and whatever else the table
 * `auth_ticket` holds.
 *
 * @returns How many were erased; ERASED_PER_RUN says that there may be more.
 */
export async function eraseExpired(db: Queryable, now: Micros): Promise<number> {
  return await eraseTickets(db, now, ERASED_PER_RUN)
}
