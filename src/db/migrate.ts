import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { Client } from 'pg'
import { StartRefused } from '../errors.ts'
import { allowTriggers, countWorkers, distribute } from './citus/distribute.ts'
import { isLockTimeout, toAppError } from './errors.ts'
import { guardDatabase } from './guard.ts'
import { placeIn } from './hosts.ts'
import type { Queryable } from './query.ts'

export type Migration = Readonly<{
  number: number
  name: string
  /** `additive` migrations may run beside servers of the last version, `breaking` ones may not. */
  kind: 'additive' | 'breaking'
  sha256: string
  text: string
}>

export type MigrateOptions = Readonly<{
  url: string
  migrations: readonly Migration[]
  /** Brings schemas up to date that are not ours, while nobody else migrates. */
  alongside: (url: string) => Promise<void>
}>

const MIGRATOR = 'farthing migrate'
/** Any number that no other program on the same database uses for its advisory lock. */
const LOCK = 4_637_196_402
/** How long a starter waits while another one migrates. */
const TURN_TIMEOUT = '10min'
/**
 * How long a statement of a migration waits for a table. Whoever comes to the table meanwhile
 * waits behind it, so this is how long a migration may hold a running server up. One that must wait
 * longer says so with `set local lock_timeout`.
 */
const TABLE_TIMEOUT = '2s'

const directory = new URL('migrations/', import.meta.url)

/** Reads a folder of `NNNN-name.sql`, in order. Their numbers leave no gap. */
export async function readMigrations(folder: URL = directory): Promise<readonly Migration[]> {
  const names = (await readdir(folder)).filter((name) => name.endsWith('.sql')).sort()
  return await Promise.all(
    names.map(async (name, index) => {
      const number = Number(/^(\d{4})-[a-z0-9-]+\.sql$/.exec(name)?.[1])
      if (number !== index + 1) throw new Error(`${name} should have number ${index + 1}`)
      // A checkout on another system may have other line ends, and is the same migration.
      const text = (await readFile(new URL(name, folder), 'utf8')).replaceAll('\r\n', '\n')
      const sha256 = createHash('sha256').update(text).digest('hex')
      return { number, name, kind: kindOf(name, text), sha256, text }
    }),
  )
}

/**
 * Brings a database that is safe for money up to date: each migration in a transaction of its own,
 * once, however many starters come at the same time. Where Citus has workers, its tables are then
 * spread over them.
 *
 * @returns the names of those that were missing, and what was spread.
 * @throws StartRefused when `guardDatabase` does; when the database was migrated by other code than
 * this; when a migration is breaking and servers are connected, or waits too long for a table.
 * @throws AppError `database_unavailable`
 */
export async function migrate(options: MigrateOptions): Promise<readonly string[]> {
  const client = new Client({ ...placeIn(options.url), application_name: MIGRATOR })
  client.on('error', () => undefined) // told by the query that meets it
  try {
    await client.connect()
    const db = asQueryable(client)
    await guardDatabase(db)
    return await withLock(client, async () => {
      const spreads = (await countWorkers(db)) !== null
      if (spreads) await allowTriggers(db)
      const names = await applyMissing(client, options.migrations)
      await options.alongside(options.url)
      if (!spreads) return names
      const tables = await distribute(db, await connectedServers(client))
      return tables.length === 0 ? names : [...names, `${tables.join(', ')} over Citus's workers`]
    })
  } catch (error) {
    throw toAppError(error)
  } finally {
    await client.end()
  }
}

function asQueryable(client: Client): Queryable {
  return {
    query: async (statement, values) =>
      await client.query(
        typeof statement === 'string' ? statement : statement.text,
        values && [...values],
      ),
  }
}

async function withLock<T>(client: Client, work: () => Promise<T>): Promise<T> {
  await client.query(`set lock_timeout = '${TURN_TIMEOUT}'`)
  await client.query(`select pg_advisory_lock(${LOCK})`)
  await client.query(`set lock_timeout = '${TABLE_TIMEOUT}'`)
  // The end of the session releases it.
  return await work()
}

async function applyMissing(client: Client, migrations: readonly Migration[]): Promise<string[]> {
  await client.query(
    `create table if not exists migration (
       number     int         not null,
       name       text        not null,
       kind       text        not null,
       sha256     text        not null,
       applied_at timestamptz not null default now(),
       constraint migration_pkey primary key (number)
     )`,
  )
  const applied = await client.query<Applied>(
    'select number, name, sha256 from migration order by number',
  )
  refuseForeign(applied.rows, migrations)
  const missing = migrations.slice(applied.rows.length)
  if (applied.rows.length > 0) await refuseBreaking(client, missing)
  for (const migration of missing) await apply(client, migration)
  return missing.map(({ name }) => name)
}

/** Servers of the last version would go on with tables that are not theirs any more. */
async function refuseBreaking(client: Client, missing: readonly Migration[]): Promise<void> {
  const breaking = missing.find(({ kind }) => kind === 'breaking')
  if (!breaking) return
  const servers = await connectedServers(client)
  if (servers.length === 0) return
  throw new StartRefused(
    `Migration ${breaking.name} is breaking, and servers of Farthing are still connected ` +
      `(${servers.join(', ')}). Stop them all, and migrate again.`,
  )
}

async function connectedServers(client: Client): Promise<readonly string[]> {
  const { rows } = await client.query<{ name: string }>(
    `select distinct application_name as name from pg_stat_activity
     where datname = current_database() and application_name like 'farthing%'
       and application_name <> $1
     order by 1`,
    [MIGRATOR],
  )
  return rows.map(({ name }) => name)
}

async function apply(client: Client, migration: Migration): Promise<void> {
  const { number, name, kind, sha256, text } = migration
  // Set for each anew: one that sets it for the session must not decide for those behind it.
  await client.query(`begin; set local lock_timeout = '${TABLE_TIMEOUT}'`)
  try {
    await client.query(text)
    await client.query(
      'insert into migration (number, name, kind, sha256) values ($1, $2, $3, $4)',
      [number, name, kind, sha256],
    )
    await client.query('commit')
  } catch (cause) {
    if (isLockTimeout(cause)) {
      throw new StartRefused(
        `Migration ${name} waited too long for a table that others use; nothing of it stays. ` +
          'Migrate again when they are done.',
        { cause },
      )
    }
    // The session ends with this error, and the transaction with it.
    throw new Error(`Migration ${name} failed; nothing of it stays`, { cause })
  }
}

type Applied = { number: number; name: string; sha256: string }

function refuseForeign(applied: readonly Applied[], migrations: readonly Migration[]): void {
  for (const [index, row] of applied.entries()) {
    const known = migrations[index]
    if (known === undefined) {
      throw new StartRefused(
        `The database is newer than this code: it has migration ${row.name}. ` +
          'Start the version of the code that made it, or a later one.',
      )
    }
    if (known.number !== row.number || known.sha256 !== row.sha256) {
      throw new StartRefused(
        `Migration ${known.name} was changed after the database applied it. ` +
          'Restore the file, and put the change into a new migration.',
      )
    }
  }
}

function kindOf(name: string, text: string): Migration['kind'] {
  const [, kind] = /^--! (additive|breaking)\n/.exec(text) ?? []
  if (kind === 'additive' || kind === 'breaking') return kind
  throw new Error(`The first line of ${name} must be \`--! additive\` or \`--! breaking\``)
}
