import { AppError } from '../errors.ts'
import type { Pool } from './pool.ts'
import type { Queryable, Session } from './query.ts'
import { inTransaction } from './tx.ts'
import type { TransactionOptions } from './tx.ts'

/**
 * What a transaction is about to change of what a user sees: their wallet's version, or that of
 * the rest, as they will be once it is committed.
 */
export type Change = Readonly<{ user: string; money: bigint | null; view: bigint | null }>

/**
 * Called with what changes before COMMIT leaves, and awaited: afterwards no copy older than that
 * can be read any more. @throws FenceDown when the transaction must not be committed now.
 */
export type Raise = (changes: readonly Change[]) => Promise<void>

/** Keeps copies of what was from being read after the commit that changes it. docs/cache.md */
export type Fence = Readonly<{
  /**
   * Belongs at the beginning of each transaction that changes what users see, before it locks a
   * row: whoever holds rows must not wait here. Two statements, which may leave with others.
   */
  enter: (tx: Queryable) => Promise<Raise>
}>

/** A transaction must be rolled back, and tried again when `recovered` has come. */
export class FenceDown extends Error {
  override readonly name: string = 'FenceDown'
  /** Comes within about a second, unless the database is away: then it throws what that says. */
  readonly recovered: () => Promise<void>

  constructor(why: string, recovered: () => Promise<void>) {
    super(why)
    this.recovered = recovered
  }
}

/** Each try begins when the cache is closed, and it does not open again for seconds. */
const TRIES_MAX = 6

/**
 * `inTransaction` with a fence: `work` is given what it must call with all that it changes. When
 * the fence is down, all is rolled back and done again.
 *
 * @throws AppError as `inTransaction` does.
 */
export async function inFencedTransaction<T>(
  { pool, fence }: Readonly<{ pool: Pool; fence: Fence }>,
  work: (tx: Session, raise: Raise) => Promise<T>,
  options: TransactionOptions,
): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await inTransaction(pool, async (tx) => await work(tx, await fence.enter(tx)), options)
    } catch (error) {
      if (!(error instanceof FenceDown)) throw error
      if (tries === TRIES_MAX) {
        throw new AppError('database_unavailable', { why: error.message }, { cause: error })
      }
      await error.recovered()
    }
  }
}
