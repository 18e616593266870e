import { isSpread } from '../db/citus/shards.ts'
import { areFinished } from '../db/citus/shown.ts'
import type { Queryable } from '../db/query.ts'

/** Longer than a commit that a crash left between its phases stays so. */
const PATIENCE_MS = 12_000

/**
 * Waits until all that had been committed when it was called is to be seen.
 *
 * @throws Error when it is not within twelve seconds, or two times that if another one waits.
 */
export type Shown = () => Promise<void>

/**
 * A job finds what was committed with it. On one PostgreSQL both show at once. Citus commits on the
 * coordinator first, where jobs are, and then on the workers: for a moment, and after a crash for
 * seconds, there is the job and not yet its payment, or the code that it sends. A job that took
 * this for "nothing to do" would be lost.
 */
export async function openShown(db: Queryable): Promise<Shown> {
  if (!(await isSpread(db))) return async () => undefined
  return oneForAll(async () => {
    if (await areFinished(db, PATIENCE_MS)) return
    throw new Error('what was committed with the job is not to be seen yet on all workers')
  })
}

/** One look at a time. It is for all who asked before it began. */
function oneForAll(look: () => Promise<void>): Shown {
  let last: Promise<unknown> = Promise.resolve()
  let next: Promise<void> | null = null

  async function lookAfter(earlier: Promise<unknown>): Promise<void> {
    await earlier
    next = null
    await look()
  }

  return async () => {
    if (!next) {
      next = lookAfter(last)
      last = next.catch(() => undefined)
    }
    await next
  }
}
