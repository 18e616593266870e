import { Pool, type ClientConfig, type PoolClient } from 'pg'
import { within } from '../time.ts'
import { queueLogger } from './logger.ts'

const CONNECT_TIMEOUT_MS = 5_000
/** A database that is only slow answers within it. */
const ANSWER_TIMEOUT_MS = 10_000
const GOODBYE_MS = 500

export function clientConfig(databaseUrl: string, name: string): ClientConfig {
  return {
    connectionString: databaseUrl,
    application_name: name,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    query_timeout: ANSWER_TIMEOUT_MS,
  }
}

/** Says goodbye to the database for half a second at most; then the connections are cut. */
export async function close(
  ending: Promise<void>,
  clients: Iterable<Pick<PoolClient, 'connection'>>,
): Promise<void> {
  await within(GOODBYE_MS, ending)
  for (const { connection } of clients) connection.stream.destroy()
}

export type Connections = Readonly<{
  pool: Pool
  close: () => Promise<void>
}>

/** The connections of one runner. */
export function openConnections(databaseUrl: string, max: number): Connections {
  const pool = new Pool({ ...clientConfig(databaseUrl, 'farthing queue'), max })
  const open = new Set<PoolClient>()
  pool.on('error', (error) => queueLogger.warn(`An idle connection broke: ${error.message}`))
  pool.on('connect', (client) => {
    open.add(client)
    client.on('error', (error) => queueLogger.warn(`A connection broke: ${error.message}`))
    client.once('end', () => open.delete(client))
  })
  return { pool: tamed(pool), close: async () => await close(pool.end(), open) }
}

/**
 * Keeps two habits of the library from doing harm. For some error codes of a lost database it waits
 * up to two minutes, and cannot be stopped meanwhile; after errors without a code it asks again at
 * the next poll. And when it ends before LISTEN is answered, it gives its connection back twice,
 * which the pool answers with an error that nobody hears, and that ends the process.
 */
function tamed(pool: Pool): Pool {
  type Done = Parameters<Parameters<Pool['connect']>[0]>
  const connect = pool.connect.bind(pool)
  const tamedConnect = (callback?: (...done: Done) => void) => {
    if (!callback) return connect().catch((error: unknown) => Promise.reject(plain(error)))
    connect((error, client, release) => {
      if (error) callback(plain(error), client, release)
      else callback(error, client, once(release))
    })
    return undefined
  }
  return Object.assign(pool, { connect: tamedConnect })
}

function plain(error: unknown): Error {
  return new Error(error instanceof Error ? error.message : String(error))
}

function once<A extends unknown[]>(work: (...args: A) => void): (...args: A) => void {
  let done = false
  return (...args) => {
    if (!done) work(...args)
    done = true
  }
}
