import { StartRefused } from '../errors.ts'
import type { Queryable } from './query.ts'

const OLDEST_VERSION = 150_000

type Server = {
  version: number
  fsync: string
  full_page_writes: string
  synchronous_commit: string
  encoding: string
  standby: boolean
}

/**
 * Refuses a server that may forget what it has committed, or that cannot hold what we store.
 * The settings are those of our own session: a role or a database may have its own.
 *
 * @throws StartRefused naming every problem at once, and the cure.
 */
export async function guardDatabase(db: Queryable): Promise<void> {
  const { rows } = await db.query<Server>(
    `select current_setting('server_version_num')::int as version,
            current_setting('fsync') as fsync,
            current_setting('full_page_writes') as full_page_writes,
            current_setting('synchronous_commit') as synchronous_commit,
            current_setting('server_encoding') as encoding,
            pg_is_in_recovery() as standby`,
  )
  const [server] = rows
  const problems = server ? problemsOf(server) : ['it does not tell its settings']
  if (problems.length === 0) return
  throw new StartRefused(`This PostgreSQL server is not safe for money: ${problems.join('; ')}.`)
}

function problemsOf(server: Server): string[] {
  const problems: string[] = []
  if (server.version < OLDEST_VERSION) problems.push('it is older than version 15, upgrade it')
  for (const setting of ['fsync', 'full_page_writes', 'synchronous_commit'] as const) {
    if (server[setting] !== 'off') continue
    problems.push(`${setting} is off, so that it may lose what it has committed: set it to on`)
  }
  if (server.encoding !== 'UTF8') {
    problems.push(`the encoding of its database is ${server.encoding}: create one with UTF8`)
  }
  if (server.standby) problems.push('it is a read-only standby: give the address of the primary')
  return problems
}
