import { Pool, type ClientConfig, type PoolClient } from 'pg'
import { placeIn } from '../db/hosts.ts'
import type { Queryable } from '../db/query.ts'
import { within } from '../time.ts'
import { queueLogger } from './logger.ts'

const CONNECT_TIMEOUT_MS = 5_000
/** A database that is only slow answers within it. */
const ANSWER_TIMEOUT_MS = 10_000
const GOODBYE_MS = 500

export function clientConfig(databaseUrl: string, name: string): ClientConfig {
  return {
    ...placeIn(databaseUrl),
    application_name: name,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    query_timeout: ANSWER_TIMEOUT_MS,
    keepAlive: true,
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
  /** One of them for a single read. */
  db: Queryable
  close: () => Promise<void>
}>

/** The connections of one runner. */
export function openConnections(databaseUrl: string, max: number): Connections {
  const pool = new Pool({ ...clientConfig(databaseUrl, 'farthing queue'), max })
  const open = new Set<PoolClient>()
  let closed = false
  pool.on('error', (error) => queueLogger.warn(`An idle connection broke: ${error.message}`))
  pool.on('connect', (client) => {
    open.add(client)
    client.on('error', (error) => queueLogger.warn(`A connection broke: ${error.message}`))
    client.once('end', () => open.delete(client))
  })
  return {
    pool: tamed(pool, () => closed),
    db: { query: async (text, values) => await pool.query(text as string, values?.slice()) },
    close: async () => {
      closed = true
      await close(pool.end(), open)
    },
  }
}

/**
 * Keeps three habits of the libraries from doing harm. For some error codes of a lost database the
 * queue waits up to two minutes, and cannot be stopped meanwhile; after errors without a code it
 * asks again at the next poll. When it ends before LISTEN is answered, it gives its connection back
 * twice, which the pool answers with an error that nobody hears, and that ends the process. And the
 * pool hands out a connection that comes when it is closed: a job would be asked for on it.
 */
function tamed(pool: Pool, isClosed: () => boolean): Pool {
  type Done = Parameters<Parameters<Pool['connect']>[0]>
  const connect = pool.connect.bind(pool)

  async function lend(): Promise<PoolClient> {
    const client = await connect().catch((error: unknown) => Promise.reject(plain(error)))
    if (!isClosed()) return client
    client.release(true)
    throw cameTooLate()
  }

  const tamedConnect = (callback?: (...done: Done) => void) => {
    if (!callback) return lend()
    connect((error, client, release) => {
      if (error) return callback(plain(error), client, release)
      if (!isClosed()) return callback(error, client, once(release))
      release(true)
      return callback(cameTooLate(), undefined, () => undefined)
    })
    return undefined
  }
  return Object.assign(pool, { connect: tamedConnect })
}

function cameTooLate(): Error {
  return new Error('a connection came when the pool was closed')
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
