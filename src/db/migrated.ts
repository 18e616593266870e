import { StartRefused } from '../errors.ts'
import { findMisplaced } from './citus/distribute.ts'
import { readMigrations } from './migrate.ts'
import type { Queryable } from './query.ts'

/**
 * @throws StartRefused when migrations are missing, a breaking one came from later code, or tables
 * are not spread over the workers that Citus has.
 */
export async function requireMigrated(db: Queryable): Promise<void> {
  const { rows } = await db.query<{ table: string | null }>(
    `select to_regclass('migration')::text as "table"`,
  )
  const migrations = await readMigrations()
  const found = rows[0]?.table
    ? await db.query<{ applied: number; breaking: string | null }>(
        `select count(*)::int as applied,
                min(name) filter (where number > $1 and kind = 'breaking') as breaking
         from migration`,
        [migrations.length],
      )
    : null
  const { applied = 0, breaking = null } = found?.rows[0] ?? {}
  if (applied < migrations.length) {
    throw new StartRefused('The database is not up to date: run `farthing migrate` first.')
  }
  const misplaced = await findMisplaced(db)
  if (misplaced.length > 0) {
    const names = misplaced.map(({ name }) => name).join(', ')
    throw new StartRefused(
      `Citus has workers, and these tables are not spread over them: ${names}. ` +
        'Run `farthing migrate` first.',
    )
  }
  if (breaking !== null) {
    throw new StartRefused(
      `The database is newer than this code can work with: it has migration ${breaking}. ` +
        'Start the version of the code that made it, or a later one.',
    )
  }
}
