import { setTimeout as sleep } from 'node:timers/promises'
import type { QueryResult, QueryResultRow } from 'pg'
import { AppError } from '../errors.ts'
import { isLostConnection } from './errors.ts'
import type { Lent, Pool } from './pool.ts'
import type { Session, Statement } from './query.ts'
import { beginning } from './session.ts'

export type TransactionOptions = Readonly<{
  /** How long one statement waits for a lock before it fails with `database_unavailable`. */
  lockTimeoutMs: number
}>

/**
 * Runs `work` in one READ COMMITTED transaction and answers what it answered, once that is
 * committed. When `work` throws, nothing of it stays, and its error is thrown.
 *
 * @throws AppError `outcome_unknown` when the answer to COMMIT was lost: it may have happened.
 * @throws AppError `database_unavailable` when nothing was committed because the database is away.
 */
export async function inTransaction<T>(
  pool: Pool,
  work: (tx: Session) => Promise<T>,
  options: TransactionOptions,
): Promise<T> {
  const lent = await begin(pool, options)
  const tx = bounded(lent)
  let committing = false
  try {
    const result = await work(tx)
    tx.close()
    committing = true
    await commit(lent)
    lent.giveBack()
    return result
  } catch (error) {
    tx.close()
    // Where COMMIT did not answer, ROLLBACK would wait behind it.
    await leave(lent, committing || tx.failed())
    throw error
  }
}

/** So often a transaction is begun, on one connection after the other. */
const BEGINS_MAX = 3
/** What breaks later than this was asked for, and waited. */
const BROKE_SOON_MS = 1_000
/** Then all that broke with it were heard of. */
const AGAIN_AFTER_MS = 50

/**
 * Connections of a pool that went through a balancer which died may not know it yet. Where one
 * breaks before anything was asked in it, another one takes its place.
 */
async function begin(pool: Pool, { lockTimeoutMs }: TransactionOptions): Promise<Lent> {
  const began = performance.now()
  for (let tries = 1; ; tries += 1) {
    const lent = await pool.lend()
    try {
      for (const text of beginning(lent, lockTimeoutMs)) await lent.query(text)
      return lent
    } catch (error) {
      lent.destroy()
      const late = tries === BEGINS_MAX || performance.now() - began > BROKE_SOON_MS
      if (late || !isLostConnection(error)) throw error
      await sleep(AGAIN_AFTER_MS)
    }
  }
}

/**
 * Commits the transaction that is open on a connection.
 *
 * @throws AppError `outcome_unknown` when it may or may not have happened.
 */
export async function commit(connection: Pick<Lent, 'query' | 'warnings'>): Promise<void> {
  const warningsBefore = connection.warnings()
  let answer
  try {
    answer = await connection.query('commit')
  } catch (error) {
    if (!isLostConnection(error)) throw error
    throw new AppError('outcome_unknown', {}, { cause: error })
  }
  // COMMIT of a transaction in which a statement failed is answered with ROLLBACK, and no error.
  if (answer.command !== 'COMMIT') {
    throw new Error('The transaction was rolled back: an error of one of its statements was lost')
  }
  // A wait for the synchronous standby that was cut short ends with a warning: committed here only.
  if (connection.warnings() > warningsBefore) throw new AppError('outcome_unknown')
}

type BoundedTransaction = Session & { close(): void; failed(): boolean }

/** Refuses statements after the end: they would run in somebody else's transaction. */
function bounded(lent: Lent): BoundedTransaction {
  let open = true
  let failed = false
  return {
    spread: lent.spread,
    byShard: lent.byShard,
    close: () => {
      open = false
    },
    failed: () => failed,
    query: async <R extends QueryResultRow>(
      statement: Statement | string,
      values?: readonly unknown[],
    ): Promise<QueryResult<R>> => {
      if (!open) throw new Error('A statement came after the end of its transaction')
      try {
        return await lent.query<R>(statement, values)
      } catch (error) {
        failed = true
        throw error
      }
    },
  }
}

/** A connection that saw an error is not used again. One that only carried a refusal is clean. */
async function leave(lent: Lent, failed: boolean): Promise<void> {
  if (failed) {
    lent.destroy()
    return
  }
  try {
    await lent.query('rollback')
    lent.giveBack()
  } catch {
    lent.destroy()
  }
}
