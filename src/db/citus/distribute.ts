import { StartRefused } from '../../errors.ts'
import type { Queryable } from '../query.ts'
import { FIRST, placements } from './placement.ts'

/** What the name of a table says of its place; the way to give it one. */
type Misplaced = Readonly<{ name: string; column: string; beside: string; filled: boolean }>

/** Null for a database without Citus, or where Citus has no workers to spread rows over. */
export async function countWorkers(db: Queryable): Promise<number | null> {
  const { rows } = await db.query<{ has: boolean }>(
    `select to_regclass('pg_catalog.pg_dist_node') is not null as has`,
  )
  if (rows[0]?.has !== true) return null
  const found = await db.query<{ coordinator: boolean; workers: number }>(
    `select citus_is_coordinator() as coordinator, count(*)::int as workers
     from pg_dist_node where noderole = 'primary' and isactive and shouldhaveshards`,
  )
  const { coordinator = false, workers = 0 } = found.rows[0] ?? {}
  if (!coordinator && workers > 0) {
    throw new StartRefused(
      'This is a worker of a Citus cluster: DATABASE_URL must name its coordinator.',
    )
  }
  return workers === 0 ? null : workers
}

/** The tables that should be spread and are not; none where there are no workers. */
export async function findMisplaced(
  db: Queryable,
): Promise<readonly Pick<Misplaced, 'name' | 'column' | 'beside'>[]> {
  if ((await countWorkers(db)) === null) return []
  const spread = await db.query<{ name: string }>(
    `select logicalrelid::regclass::text as name from pg_dist_partition where partmethod = 'h'`,
  )
  const placed = new Set(spread.rows.map(({ name }) => name))
  const there = await db.query<{ name: string }>(
    `select name from unnest($1::text[]) as wanted (name) where to_regclass(name) is not null`,
    [Object.keys(placements)],
  )
  const names = new Set(there.rows.map(({ name }) => name))
  return Object.entries(placements).flatMap(([name, { by: column, among }]) => {
    if (column === null || placed.has(name) || !names.has(name)) return []
    return { name, column, beside: among === 'user' && name !== FIRST ? FIRST : 'none' }
  })
}

/** What a session that changes tables of a cluster must say first. */
export async function allowTriggers(db: Queryable): Promise<void> {
  // Citus distrusts triggers, which run on a shard and see its rows only: ours refuse, and look at
  // none. Shards carry them along when they move.
  await db.query(`select set_config('citus.enable_unsafe_triggers', 'on', false)`)
}

/**
 * Spreads every table that is not spread yet over the workers; its rows move along. Each table in a
 * transaction of its own: a second run goes on where the first was interrupted.
 *
 * @returns the names of those it has spread.
 * @throws StartRefused when a table has rows and servers are connected, which would wait for it
 * and then go on as if all rows were in one place.
 */
export async function distribute(
  db: Queryable,
  servers: readonly string[],
): Promise<readonly string[]> {
  const misplaced = await findMisplaced(db)
  const tables: Misplaced[] = []
  for (const table of misplaced) {
    const { rows } = await db.query<{ filled: boolean }>(
      `select exists (select from ${table.name}) as filled`,
    )
    tables.push({ ...table, filled: rows[0]?.filled ?? true })
  }
  const filled = tables.filter((table) => table.filled).map(({ name }) => name)
  if (filled.length > 0 && servers.length > 0) {
    throw new StartRefused(
      `Citus has workers, and the rows of ${filled.join(', ')} must move to them, while servers ` +
        `of Farthing are connected (${servers.join(', ')}). Stop them all, and migrate again.`,
    )
  }
  for (const table of tables) await spread(db, table)
  return tables.map(({ name }) => name)
}

async function spread(db: Queryable, { name, column, beside, filled }: Misplaced): Promise<void> {
  await db.query('begin')
  await db.query('select create_distributed_table(to_regclass($1), $2, colocate_with => $3)', [
    name,
    column,
    beside,
  ])
  if (filled) await clearOwn(db, name)
  await db.query('commit')
}

/**
 * Clears away what stays behind on the coordinator, where nobody sees it any more. Triggers refuse
 * that, so they are silent meanwhile: here, and on no shard.
 */
async function clearOwn(db: Queryable, name: string): Promise<void> {
  await db.query(`set local citus.enable_ddl_propagation = off`)
  await db.query(`alter table ${name} disable trigger user`)
  await db.query('select truncate_local_data_after_distributing_table(to_regclass($1))', [name])
  await db.query(`alter table ${name} enable trigger user`)
  await db.query(`set local citus.enable_ddl_propagation = on`)
}
