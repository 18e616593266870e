import { AppError, StartRefused } from '../errors.ts'
import type { Queryable } from './query.ts'

const OLDEST_VERSION = 150_000

/** Those without which a server may lose what it has committed. */
const durable = ['fsync', 'full_page_writes', 'synchronous_commit'] as const

type Durability = Record<(typeof durable)[number], string>
type Server = Durability & { version: number; encoding: string; standby: boolean }

const durability = durable.map((name) => `current_setting('${name}') as ${name}`).join(', ')

/**
 * Refuses a server that may forget what it has committed, or that cannot hold what we store.
 * The settings are those of our own session: a role or a database may have its own.
 *
 * @throws StartRefused naming every problem at once, and the cure.
 */
export async function guardDatabase(db: Queryable): Promise<void> {
  const { rows } = await db.query<Server>(
    `select current_setting('server_version_num')::int as version,
            ${durability},
            current_setting('server_encoding') as encoding,
            pg_is_in_recovery() as standby`,
  )
  const [server] = rows
  const problems = server ? problemsOf(server) : ['it does not tell its settings']
  if (problems.length === 0) return
  throw new StartRefused(`This PostgreSQL server is not safe for money: ${problems.join('; ')}.`)
}

/**
 * Refuses to work on a server that may forget what it has committed. Asked of each connection that
 * money is posted on: a start sees only the server that is there then, and none after a failover or
 * a change of settings.
 *
 * @throws AppError `database_unavailable`; its cause says why, for the log and for no caller.
 */
export async function requireDurable(db: Queryable): Promise<void> {
  const { rows } = await db.query<Durability>(`select ${durability}`)
  const problems = rows[0] ? forgetfulness(rows[0]) : ['it does not tell its settings']
  if (problems.length === 0) return
  const cause = new Error(`The database is not safe for money: ${problems.join('; ')}`)
  throw new AppError('database_unavailable', {}, { cause })
}

function forgetfulness(server: Durability): readonly string[] {
  return durable
    .filter((name) => server[name] === 'off')
    .map((name) => `${name} is off, so that it may lose what it has committed: set it to on`)
}

function problemsOf(server: Server): string[] {
  const problems: string[] = []
  if (server.version < OLDEST_VERSION) problems.push('it is older than version 15, upgrade it')
  problems.push(...forgetfulness(server))
  if (server.encoding !== 'UTF8') {
    problems.push(`the encoding of its database is ${server.encoding}: create one with UTF8`)
  }
  if (server.standby) problems.push('it is a read-only standby: give the address of the primary')
  return problems
}

/** How many connections a server allows, for all who use it together. */
export async function readConnectionLimit(db: Queryable): Promise<number> {
  const { rows } = await db.query<{ allowed: number }>(
    `select current_setting('max_connections')::int as allowed`,
  )
  return rows[0]?.allowed ?? 0
}
