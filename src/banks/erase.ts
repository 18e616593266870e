import type { Queryable } from '../db/query.ts'
import { after, DAY, type Micros } from '../time.ts'
import { eraseNumbers } from './store.ts'

/**
 * How long an unlinked account's number is kept. A consumer may dispute a debit until the 60th day
 * after it settled, and the return is matched by account number (Nacha, unauthorized returns). Ten
 * days more for what was still to settle when it was unlinked, and for weekends and holidays.
 */
export const NUMBER_KEPT = (60n + 10n) * DAY

/** Bounds one statement's locks; what is left is for the next run. */
export const ERASED_PER_RUN = 1_000

/**
 * Erases the sealed numbers of accounts that were unlinked longer ago than a return can come. The
 * row stays for the history, with the last four digits and the keyed digest.
 *
 * @returns How many were erased; ERASED_PER_RUN says that there may be more.
 */
export async function eraseOld(db: Queryable, now: Micros): Promise<number> {
  return await eraseNumbers(db, after(now, -NUMBER_KEPT), ERASED_PER_RUN)
}
