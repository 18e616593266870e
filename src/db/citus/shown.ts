import { setTimeout as sleep } from 'node:timers/promises'
import { AppError } from '../../errors.ts'
import type { Queryable } from '../query.ts'
import { isSpread } from './shards.ts'

const preparedStatement = `
  select node, success, result as gids from (
    select nodename || ':' || nodeport as node, success, result
    from run_command_on_workers($command$
      select coalesce(string_agg(gid, ' '), '') from pg_prepared_xacts
      where gid like 'citus%' and database = current_database() $command$)
    union all
    select 'coordinator', true, coalesce(string_agg(gid, ' '), '') from pg_prepared_xacts
    where gid like 'citus%' and database = current_database()) each`

const PAUSE_MS = 10

/**
 * Whether every commit that was between its phases when this was asked is through with both, on all
 * nodes. False when one is not in time, as after a crash, or a worker does not answer.
 */
export async function areFinished(db: Queryable, patienceMs: number): Promise<boolean> {
  const end = performance.now() + patienceMs
  let waiting: readonly string[] | null = null
  for (;;) {
    type Node = { node: string; success: boolean; gids: string }
    const { rows } = await db.query<Node>(preparedStatement)
    if (!rows.every(({ success }) => success)) return false
    const now = rows.flatMap(({ node, gids }) =>
      gids.split(' ').flatMap((gid) => (gid === '' ? [] : `${node} ${gid}`)),
    )
    waiting = (waiting ?? now).filter((one) => now.includes(one))
    if (waiting.length === 0) return true
    if (performance.now() > end) return false
    await sleep(PAUSE_MS)
  }
}

/** More than a second phase takes. What a crash left takes longer, and clients ask again. */
const SHOWS_WITHIN_MS = 2_000

/**
 * Finds what must be there, because something was found that was committed with it: a user, by a
 * name of theirs. Nodes of a Citus cluster show one commit one after the other.
 *
 * @returns null when it is not there although all shows.
 * @throws AppError `database_unavailable` while a commit is left between its phases.
 */
export async function findShown<T>(
  db: Queryable,
  find: () => Promise<T | null>,
): Promise<T | null> {
  const found = await find()
  if (found !== null || !(await isSpread(db))) return found
  if (await areFinished(db, SHOWS_WITHIN_MS)) return await find()
  throw new AppError('database_unavailable', { why: 'a commit is left between its two phases' })
}
