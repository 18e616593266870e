import { setTimeout as sleep } from 'node:timers/promises'
import { AppError } from '../../errors.ts'
import type { Queryable } from '../query.ts'
import { isSpread } from './shards.ts'

/** What a node says that cannot tell: a standby does not list what its primary has prepared. */
const STANDBY = 'standby'

/** The names of the parts of commits that each node has prepared. */
const preparedStatement = `
  select success, result as names from run_command_on_workers($command$
    select case when pg_is_in_recovery() then '${STANDBY}'
                else coalesce(string_agg(gid, ' '), '') end
    from pg_prepared_xacts
    where gid like 'citus%' and database = current_database() $command$)
  union all
  select true, coalesce(string_agg(gid, ' '), '') from pg_prepared_xacts
  where gid like 'citus%' and database = current_database()`

const PAUSE_MS = 10
/** Between questions to a node that does not answer. */
const AWAY_PAUSE_MS = 200
/** While payments go on, each look finds parts of some. */
const LOOKS_MIN = 3
/** More than a second phase takes. What a crash left takes longer, and clients ask again. */
const SHOWS_WITHIN_MS = 2_000

/**
 * Whether every commit that was between its phases when this was asked is through with both, on all
 * nodes. False when one is not in time, as after a crash, or a worker does not answer.
 */
export async function areFinished(db: Queryable, patienceMs: number): Promise<boolean> {
  const end = performance.now() + patienceMs
  let waiting: readonly string[] | null = null
  for (let looks = 1; ; looks += 1) {
    const prepared = await findPrepared(db)
    if (prepared) {
      waiting = [...(waiting ?? prepared)].filter((name) => prepared.has(name))
      if (waiting.length === 0) return true
    }
    if (performance.now() > end && (looks >= LOOKS_MIN || !prepared)) return false
    await sleep(prepared ? PAUSE_MS : AWAY_PAUSE_MS)
  }
}

/** Null when a node does not say. */
async function findPrepared(db: Queryable): Promise<ReadonlySet<string> | null> {
  const { rows } = await db.query<{ success: boolean; names: string }>(preparedStatement)
  if (!rows.every(({ success, names }) => success && names !== STANDBY)) return null
  return new Set(rows.flatMap(({ names }) => (names === '' ? [] : names.split(' '))))
}

/**
 * Waits until all that was committed before is to be seen. A node of a Citus cluster may show its
 * part of a commit after another one did: whoever looks by what the other one showed, or holds a
 * lock there, waits first. On one PostgreSQL there is nothing to wait for.
 *
 * @param otherwise What it throws, as an AppError, while a commit is left between its phases.
 */
export async function untilShown(
  db: Queryable,
  otherwise: 'database_unavailable' | 'outcome_unknown' = 'database_unavailable',
): Promise<void> {
  if (!(await isSpread(db)) || (await areFinished(db, SHOWS_WITHIN_MS))) return
  throw new AppError(otherwise, { why: 'a commit is left between its two phases' })
}

/**
 * Finds what must be there, because something was found that was committed with it: a user, by a
 * name of theirs.
 *
 * @returns null when it is not there although all shows.
 * @throws AppError as `untilShown`.
 */
export async function findShown<T>(
  db: Queryable,
  find: () => Promise<T | null>,
  otherwise?: Parameters<typeof untilShown>[1],
): Promise<T | null> {
  const found = await find()
  if (found !== null) return found
  await untilShown(db, otherwise)
  return await find()
}
