import { inTransaction } from '../db/tx.ts'
import { addJobs } from '../queue/jobs.ts'
import { after, HOUR } from '../time.ts'
import { LOCK_TIMEOUT_MS } from './parts.ts'
import type { PaymentParts } from './parts.ts'
import { expiry, submission } from './pay.ts'
import { stateOf } from './rules/state.ts'
import { findOverdue } from './store.ts'
import { termsOf } from './rules/view.ts'

/** Bounds one run; what is left is for the next. */
const SWEPT_PER_RUN = 1_000

/**
 * Gives every transaction that should have gone on an hour ago its job again. A job can be lost to
 * a restored back-up, or parked after its last attempt; money must not wait for ever because of it.
 * The jobs have keys and may run twice, so one that is still there is no harm.
 */
export async function sweepWaiting(parts: PaymentParts): Promise<void> {
  const now = parts.clock.now()
  const overdue = await findOverdue(parts.pool, after(now, -HOUR), SWEPT_PER_RUN)
  const jobs = overdue.map((row) => {
    const terms = termsOf(row)
    return stateOf(row.status) === 'waits_for_code' ? expiry(terms, now) : submission(terms)
  })
  await inTransaction(parts.pool, async (tx) => await addJobs(tx, jobs), {
    lockTimeoutMs: LOCK_TIMEOUT_MS,
  })
}
