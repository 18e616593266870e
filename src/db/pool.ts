import { channel } from 'node:diagnostics_channel'
import { Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { Client, Pool as PgPool } from 'pg'
import type { ClientBase, ClientConfig, QueryResult, QueryResultRow } from 'pg'
import { AppError } from '../errors.ts'
import { within } from '../time.ts'
import type { ByShard } from './citus/shards.ts'
import { isLostConnection, isUnanswered, toAppError } from './errors.ts'
import { requireDurable } from './guard.ts'
import { noteMisled, placeIn } from './hosts.ts'
import { isStandby } from './standby/incarnation.ts'
import { requireStandby } from './standby/limbo.ts'
import type { Queryable, Session, Statement } from './query.ts'
import { prepareSession, sessionOn } from './session.ts'
import { columnTypes } from './types.ts'

/** Publishes `{ event: 'connection_lost', error }` for connections that broke while idle. */
const databaseChannel = channel('farthing:database.event')

/** How long a caller waits for a connection before the database counts as unavailable. */
const CONNECT_TIMEOUT_MS = 3_000
/** The server ends a slow statement itself; this much later we stop to believe that it lives. */
const ANSWER_GRACE_MS = 1_000
const CLOSE_TIMEOUT_MS = 500
const KEEP_ALIVE_MS = 10_000
const IDLE_MS = 60_000
/** A read whose connection broke so soon is asked again, when all that broke were heard of. */
const BROKE_SOON_MS = 500
const AGAIN_AFTER_MS = 50
/** Callers that may wait for a connection, for each connection that the pool may have. */
const WAITING_PER_CONNECTION = 50

export type PoolOptions = Readonly<{
  url: string
  max: number
  statementTimeoutMs: number
  applicationName: string
}>

/** A connection out of the pool. Give it back, or destroy it, exactly once. */
export type Lent = Session &
  Readonly<{
    /** How many warnings the server sent so far. */
    warnings(): number
    giveBack(): void
    /** Closes the connection. The server rolls back what it had open. */
    destroy(): void
  }>

export type Pool = Queryable &
  Readonly<{
    lend(): Promise<Lent>
    counts(): { total: number; idle: number; waiting: number }
    /** Closes it as soon as every connection was given back. */
    end(): Promise<void>
  }>

/**
 * A pool whose errors have names: see `toAppError`. A connection on which a statement failed is
 * closed, not used again. A `select` outside of transactions reads and no more: one whose
 * connection broke, as all do that went through a balancer that died, is asked once more.
 *
 * @throws AppError `database_unavailable` when no connection can be had within 3 s,
 * `overloaded` when too many callers wait for one already. So do all its queries.
 */
export function openPool(options: PoolOptions): Pool {
  const places = new WeakMap<ClientBase, ByShard | null>()
  const pool = new PgPool({
    ...clientConfig(options),
    max: options.max,
    idleTimeoutMillis: IDLE_MS,
    // The pool waits for it, although its type does not say so.
    // oxlint-disable-next-line typescript/no-misused-promises
    onConnect: async (client) => {
      places.set(client, await prepare(client as Client, options.statementTimeoutMs))
    },
  })
  pool.on('error', reportLoss)
  const open = new Set<Promise<void>>()
  pool.on('connect', (client) => {
    const closed = new Promise<void>((resolve) => client.once('end', resolve))
    open.add(closed)
    void closed.then(() => open.delete(closed))
  })
  const mostWaiting = options.max * WAITING_PER_CONNECTION
  // Set when an answer did not come: perhaps of a commit that waits for a standby.
  let doubtful = false

  function refuseWhenCrowded(): void {
    if (pool.waitingCount >= mostWaiting) throw new AppError('overloaded')
  }

  async function query<R extends QueryResultRow>(
    statement: Statement | string,
    values: readonly unknown[] = [],
  ): Promise<QueryResult<R>> {
    refuseWhenCrowded()
    if (doubtful && !isRead(statement)) await settleDoubt()
    if (!isRead(statement)) return await ask<R>(statement, values)
    const began = performance.now()
    try {
      return await ask<R>(statement, values)
    } catch (error) {
      if (!isLostConnection(error) || performance.now() - began > BROKE_SOON_MS) throw error
      await sleep(AGAIN_AFTER_MS)
      return await ask<R>(statement, values)
    }
  }

  async function ask<R extends QueryResultRow>(
    statement: Statement | string,
    values: readonly unknown[],
  ): Promise<QueryResult<R>> {
    if (typeof statement === 'object' && statement.spread !== undefined) {
      return await queryWhereItGoes<R>(statement, values)
    }
    const text = asQuery(statement, values, null)
    return await heard(named(elsewhere(async () => await pool.query<R>(text))))
  }

  async function settleDoubt(): Promise<void> {
    await requireStandby(async (text) => await named(pool.query(asQuery(text, [], null))))
    doubtful = false
  }

  async function heard<T>(work: Promise<T>): Promise<T> {
    try {
      return await work
    } catch (error) {
      if (isUnanswered(error)) doubtful = true
      throw error
    }
  }

  /** Which of its texts a statement has, only the connection knows. */
  async function queryWhereItGoes<R extends QueryResultRow>(
    statement: Statement,
    values: readonly unknown[],
  ): Promise<QueryResult<R>> {
    const lent = await lend()
    try {
      const result = await lent.query<R>(statement, values)
      lent.giveBack()
      return result
    } catch (error) {
      lent.destroy()
      throw error
    }
  }

  async function lend(): Promise<Lent> {
    refuseWhenCrowded()
    if (doubtful) await settleDoubt()
    const client = await named(elsewhere(async () => await pool.connect()))
    client.on('error', reportLoss)
    const warnings = countWarnings(client)
    const spread = places.get(client) ?? null
    const giveUp = (broken: boolean): void => {
      client.removeAllListeners('notice')
      client.release(broken)
      client.removeListener('error', reportLoss)
    }
    return {
      ...sessionOn(overheard(queryOn(client, spread), heard), spread),
      warnings,
      giveBack: () => giveUp(false),
      destroy: () => giveUp(true),
    }
  }

  return {
    query,
    lend,
    counts: () => ({ total: pool.totalCount, idle: pool.idleCount, waiting: pool.waitingCount }),
    end: async () => {
      await pool.end()
      // It has only said goodbye so far; a server that stops now would have to cut it off.
      await within(CLOSE_TIMEOUT_MS, Promise.all(open))
    },
  }
}

export type LedgerConnection = Session &
  Readonly<{
    /** False for ever after the connection broke or was closed. */
    usable(): boolean
    /** How many warnings the server sent so far. */
    warnings(): number
    /**
     * Keeps back what is asked from here on, until the function that it returns is called: then all
     * of it leaves in one packet, which costs both sides as much as one statement does.
     */
    gather(): () => void
    /** Closes it at once. The server rolls back what it had open. */
    destroy(): void
    /** Closes it when all that was sent has been answered. */
    close(): Promise<void>
  }>

export type LedgerConnectionOptions = Readonly<{
  url: string
  statementTimeoutMs: number
  lockTimeoutMs: number
  applicationName: string
}>

/**
 * One connection for one batch at a time. Queries are pipelined: those that do not wait for each
 * other's answer leave in one packet. A statement that fails does not stop the ones behind it,
 * except that inside a transaction they fail too.
 *
 * @throws AppError `database_unavailable`, also by a server that may forget what it has committed,
 * and by one without a standby that its commits wait for.
 */
export async function connectLedger(options: LedgerConnectionOptions): Promise<LedgerConnection> {
  return await elsewhere(async () => await connectOnce(options))
}

async function connectOnce(options: LedgerConnectionOptions): Promise<LedgerConnection> {
  const client = new Client({ ...clientConfig(options), pipeline: true })
  const warnings = countWarnings(client)
  let spread: ByShard | null
  let usable = true
  client.on('error', (error: Error) => {
    usable = false
    reportLoss(error)
  })
  client.on('end', () => {
    usable = false
  })
  try {
    await named(client.connect())
    spread = await named(prepare(client, options.statementTimeoutMs, options.lockTimeoutMs))
    const session = sessionOn(queryOn(client, spread), spread)
    const look = async (text: string) => await session.query(text)
    await Promise.all([requireDurable(session), requireStandby(look)])
  } catch (error) {
    client.connection.stream.destroy()
    throw error
  }
  return {
    ...sessionOn(queryOn(client, spread), spread),
    usable: () => usable,
    warnings,
    gather: () => {
      const { stream } = client.connection
      stream.cork()
      return () => stream.uncork()
    },
    destroy: () => {
      usable = false
      client.connection.stream.destroy()
    },
    close: async () => {
      usable = false
      await client.end()
    },
  }
}

/** A session that finds itself on a standby tells of the host that has led there. */
async function prepare(client: Client, ...timeouts: Timeouts): Promise<ByShard | null> {
  const { stream } = client.connection
  const address = stream instanceof Socket ? stream.remoteAddress : undefined
  try {
    return await prepareSession(client, ...timeouts)
  } catch (error) {
    if (isStandby(error)) noteMisled(address)
    throw error
  }
}

/** Once more, where a standby was met: it was asked nothing, and another host may know better. */
async function elsewhere<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (!isStandby(error)) throw error
    return await work()
  }
}

type Timeouts = [statementTimeoutMs: number, lockTimeoutMs?: number]

function clientConfig(options: {
  url: string
  statementTimeoutMs: number
  applicationName: string
}): ClientConfig {
  return {
    ...placeIn(options.url),
    application_name: options.applicationName,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    query_timeout: options.statementTimeoutMs + ANSWER_GRACE_MS,
    keepAlive: true,
    keepAliveInitialDelayMillis: KEEP_ALIVE_MS,
    types: columnTypes,
  }
}

function queryOn(client: ClientBase, spread: ByShard | null): Queryable['query'] {
  return async <R extends QueryResultRow>(
    statement: Statement | string,
    values: readonly unknown[] = [],
  ) => await named(client.query<R>(asQuery(statement, values, spread)))
}

function overheard(
  query: Queryable['query'],
  heard: <T>(work: Promise<T>) => Promise<T>,
): Queryable['query'] {
  return async <R extends QueryResultRow>(
    statement: Statement | string,
    values: readonly unknown[] = [],
  ) => await heard(query<R>(statement, values))
}

function isRead(statement: Statement | string): boolean {
  const { text, writes = false } = typeof statement === 'string' ? { text: statement } : statement
  return !writes && /^\s*select\b/i.test(text)
}

/** Text without values goes as one simple query, which may hold several statements. */
function asQuery(
  statement: Statement | string,
  values: readonly unknown[],
  spread: ByShard | null,
) {
  if (typeof statement === 'string') return { text: statement, ...given(values) }
  const { name, text } = statement
  return { name, text: (spread && statement.spread) ?? text, ...given(values) }
}

function given(values: readonly unknown[]) {
  return values.length === 0 ? {} : { values: [...values] }
}

/** SQLSTATE of a notice that is about nothing. */
const NO_WARNING = '00000'

function countWarnings(client: ClientBase): () => number {
  let count = 0
  client.on('notice', (notice) => {
    // Its severity comes in the server's language.
    if (notice.code !== NO_WARNING) count += 1
  })
  return () => count
}

function reportLoss(error: Error): void {
  databaseChannel.publish({ event: 'connection_lost', error })
}

async function named<T>(work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (error) {
    throw toAppError(error)
  }
}
