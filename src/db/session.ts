import type { ClientBase, QueryResultRow } from 'pg'
import { twoPhased } from './citus/commit.ts'
import { incarnation, requireConfirmed } from './standby/incarnation.ts'
import { allTogether, hasCitus, readShards } from './citus/shards.ts'
import type { ByShard } from './citus/shards.ts'
import type { Queryable, Session } from './query.ts'

/** Frees the locks of a process that was paused in the middle of a transaction. */
const IDLE_IN_TRANSACTION_MS = 10_000

/**
 * Statements are planned once per connection, so that a payment alone does not pay for planning
 * anew. Such a plan outlives the size that its tables had: it must look rows up by key, and each
 * statement is written so that it can. The audit, which scans, says so in its transaction.
 * What scans all the same, a table of one row, counts as so dear then that a PostgreSQL which can
 * would compile the statement each time that it runs: for tens of milliseconds.
 */
const keyedPlans = `
  set_config('plan_cache_mode', 'force_generic_plan', false),
  set_config('enable_seqscan', 'off', false),
  set_config('jit', 'off', false),`

/**
 * A statement, not start-up parameters, because connection poolers refuse those they do not know.
 */
const settings = `
  select ${keyedPlans}
         set_config('TimeZone', 'UTC', false),
         set_config('DateStyle', 'ISO, YMD', false),
         set_config('statement_timeout', $1, false),
         set_config('lock_timeout', $2, false),
         set_config('idle_in_transaction_session_timeout', $3, false),
         ${hasCitus} as spread,
         ${incarnation} as incarnation`

type Found = Readonly<{ spread: boolean; incarnation: string | null }>

/**
 * Citus finds the shards of a statement by its values, so it plans each time; workers plan by the
 * size that their tables have. One connection to each worker for each of ours: statements of a
 * transaction go one after the other there, and see what those before them did. A lock is waited
 * for on the workers for as long as the transaction says.
 */
const spreadSettings = `
  select set_config('plan_cache_mode', 'force_custom_plan', false),
         set_config('enable_seqscan', 'on', false),
         set_config('citus.multi_shard_modify_mode', 'sequential', false),
         set_config('citus.max_adaptive_executor_pool_size', '1', false),
         set_config('citus.propagate_set_commands', 'local', false)`

/**
 * Nothing is asked on a connection before it.
 *
 * @returns How the books are spread over shards; null when they are not.
 * @throws AppError `database_unavailable` while the server may show what its loss would undo.
 */
export async function prepareSession(
  client: ClientBase,
  statementTimeoutMs: number,
  lockTimeoutMs: number = statementTimeoutMs,
): Promise<ByShard | null> {
  const values = [statementTimeoutMs, lockTimeoutMs, IDLE_IN_TRANSACTION_MS].map(String)
  const { rows } = await client.query<Found>(settings, values)
  await requireConfirmed(client, rows[0]?.incarnation ?? null)
  if (rows[0]?.spread !== true) return null
  const query = async <R extends QueryResultRow>(text: unknown, values: unknown) =>
    await client.query<R>(text as string, values as unknown[])
  const spread = await readShards({ query })
  if (spread) await client.query(spreadSettings)
  return spread
}

/** A connection as a session of ours. */
export function sessionOn(query: Queryable['query'], spread: ByShard | null): Session {
  return { query, spread: spread !== null, byShard: spread ?? allTogether }
}

/**
 * What begins a READ COMMITTED transaction, text by text.
 *
 * @param lockTimeoutMs How long one of its statements waits for a lock.
 */
export function beginning(tx: Session, lockTimeoutMs: number): readonly string[] {
  if (!Number.isSafeInteger(lockTimeoutMs) || lockTimeoutMs < 1) {
    throw new RangeError(`lockTimeoutMs must be a whole number above zero, not ${lockTimeoutMs}`)
  }
  const begin = 'begin isolation level read committed'
  const lockTimeout = `set local lock_timeout = ${lockTimeoutMs}`
  // Citus sends workers the whole text in which a setting stands: there it must stand alone.
  return tx.spread ? [begin, lockTimeout, twoPhased] : [`${begin}; ${lockTimeout}`]
}

/** Begins it on a connection that sends without waiting for answers. */
export async function begin(tx: Session, lockTimeoutMs: number): Promise<void> {
  const texts = beginning(tx, lockTimeoutMs)
  await Promise.all(texts.map(async (text) => await tx.query(text)))
}
