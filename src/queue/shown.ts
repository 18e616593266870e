import { isSpread } from '../db/citus/shards.ts'
import { areFinished } from '../db/citus/shown.ts'
import type { Queryable } from '../db/query.ts'
import { pause } from '../time.ts'
import { queueLogger } from './logger.ts'

/** While a worker is away jobs wait, and use up none of their attempts. Longer, and they do. */
const PATIENCE_MS = 600_000
const LOOK_MS = 2_000
const AGAIN_MS = 1_000

/**
 * Waits until all that had been committed when it was called is to be seen.
 *
 * @throws Error when it is not within ten minutes, or twice that for who asked while others waited;
 * or when the runner has ended.
 */
export type Shown = () => Promise<void>

/**
 * A job finds what was committed with it. On one PostgreSQL both show at once. Citus commits on the
 * coordinator first, where jobs are, and then on the workers: for a moment, and after a crash for
 * seconds, there is the job and not yet its payment, or the code that it sends. A job that took
 * this for "nothing to do" would be lost.
 *
 * @param ended Then its jobs are anybody's, and none is begun any more.
 */
export async function openShown(db: Queryable, ended: AbortSignal): Promise<Shown> {
  if (!(await isSpread(db))) return async () => undefined
  return oneForAll(async () => await waitFor(db, ended))
}

async function waitFor(db: Queryable, ended: AbortSignal): Promise<void> {
  const end = performance.now() + PATIENCE_MS
  for (let told = false; ; told = true) {
    const failure = await tryOnce(db)
    if (ended.aborted) throw new Error('the runner has ended')
    if (!failure) return
    if (!told) queueLogger.warn(`Jobs wait: ${failure.message}`)
    if (performance.now() > end) throw failure
    await pause(AGAIN_MS, ended)
  }
}

/** Null: all shows. */
async function tryOnce(db: Queryable): Promise<Error | null> {
  try {
    if (await areFinished(db, LOOK_MS)) return null
    return new Error('what was committed with the job is not to be seen yet on all workers')
  } catch (cause) {
    return new Error(`the workers cannot be asked what they show: ${String(cause)}`, { cause })
  }
}

/** One look at a time. It is for all who asked before it began. */
export function oneForAll(look: () => Promise<void>): Shown {
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
