import { inTransaction } from '../db/tx.ts'
import { addJobs, findLivingKeys } from '../queue/jobs.ts'
import type { Job } from '../queue/jobs.ts'
import { after, HOUR } from '../time.ts'
import type { Micros } from '../time.ts'
import { settlementKey } from './bank-transfer.ts'
import { LOCK_TIMEOUT_MS } from './parts.ts'
import type { PaymentParts } from './parts.ts'
import { expiry, submission } from './pay.ts'
import type { StoredTransaction } from './ride/passenger.ts'
import { stateOf } from './rules/state.ts'
import { findOverdue } from './store.ts'
import { termsOf } from './rules/view.ts'

/** Transactions that are looked at together. */
export const SWEPT_PER_PAGE = 1_000
/** Bounds one run at a million, which takes minutes; what is left is for the next. */
const PAGES_MAX = 1_000

/**
 * Gives every transaction that should have gone on an hour ago, and that no job is left for, its
 * job again. One can be lost to a restored back-up, or parked after its last attempt; money must
 * not wait for ever because of it. Jobs may run twice, so one too many is no harm.
 */
export async function sweepWaiting(parts: PaymentParts, perPage: number): Promise<void> {
  const now = parts.clock.now()
  const since = after(now, -HOUR)
  let last: StoredTransaction | undefined
  for (let page = 0; page < PAGES_MAX; page += 1) {
    const overdue = await findOverdue(parts.pool, since, last, perPage)
    await addMissing(parts, overdue, now)
    last = overdue.at(-1)
    if (overdue.length < perPage) return
  }
}

async function addMissing(
  parts: PaymentParts,
  overdue: readonly StoredTransaction[],
  now: Micros,
): Promise<void> {
  const needs = overdue.map((row) => needOf(row, now))
  const keys = needs.flatMap(({ keys }) => keys)
  const living = await findLivingKeys(parts.pool, keys)
  const missing = needs.filter(({ keys }) => !keys.some((key) => living.has(key)))
  if (missing.length === 0) return
  const jobs = missing.map(({ job }) => job)
  await inTransaction(parts.pool, async (tx) => await addJobs(tx, jobs), {
    lockTimeoutMs: LOCK_TIMEOUT_MS,
  })
}

/** The job that takes a transaction on, and the keys of all that would do so. */
function needOf(row: StoredTransaction, now: Micros): Readonly<{ job: Job; keys: string[] }> {
  const terms = termsOf(row)
  const waitsForCode = stateOf(row.status) === 'waits_for_code'
  const job = waitsForCode ? expiry(terms, now) : submission(terms)
  const asks = waitsForCode ? [] : [settlementKey(terms.transaction)]
  return { job, keys: [job.when.key ?? [], asks].flat() }
}
