import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { Client } from 'pg'
import { StartRefused } from '../errors.ts'
import { toAppError } from './errors.ts'

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

/** Any number that no other program on the same database uses for its advisory lock. */
const LOCK = 4_637_196_402
/** How long a starter waits while another one migrates. */
const LOCK_TIMEOUT = '10min'

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
 * Brings the database up to date: each migration in a transaction of its own, once, however many
 * starters come at the same time.
 *
 * @returns the names of those that were missing.
 * @throws StartRefused when the database was migrated by other code than this.
 * @throws AppError `database_unavailable`
 */
export async function migrate(options: MigrateOptions): Promise<readonly string[]> {
  const client = new Client({ connectionString: options.url, application_name: 'farthing migrate' })
  client.on('error', () => undefined) // told by the query that meets it
  try {
    await client.connect()
    return await withLock(client, async () => {
      const names = await applyMissing(client, options.migrations)
      await options.alongside(options.url)
      return names
    })
  } catch (error) {
    throw toAppError(error)
  } finally {
    await client.end()
  }
}

async function withLock<T>(client: Client, work: () => Promise<T>): Promise<T> {
  await client.query(`set lock_timeout = '${LOCK_TIMEOUT}'`)
  await client.query(`select pg_advisory_lock(${LOCK})`)
  await client.query('reset lock_timeout')
  // The end of the session releases it.
  return await work()
}

async function applyMissing(client: Client, migrations: readonly Migration[]): Promise<string[]> {
  await client.query(
    `create table if not exists migration (
       number     int         not null,
       name       text        not null,
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
  for (const migration of missing) await apply(client, migration)
  return missing.map(({ name }) => name)
}

async function apply(client: Client, { number, name, sha256, text }: Migration): Promise<void> {
  await client.query('begin')
  try {
    await client.query(text)
    await client.query('insert into migration (number, name, sha256) values ($1, $2, $3)', [
      number,
      name,
      sha256,
    ])
    await client.query('commit')
  } catch (cause) {
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
