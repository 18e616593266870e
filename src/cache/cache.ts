import { setTimeout as sleep } from 'node:timers/promises'
import type { Fence } from '../db/fence.ts'
import { openPool } from '../db/pool.ts'
import type { Queryable } from '../db/query.ts'
import type { RedisPlace } from './connection.ts'
import { createFence } from './fence.ts'
import { createKeeper, POLL_MS } from './keeper.ts'
import type { Keeper, Pace } from './keeper.ts'
import { createEndings, createLeases } from './leases.ts'
import type { SteadyClock } from './parts.ts'
import { createReader } from './reader.ts'
import type { Reader } from './reader.ts'
import { createRedis } from './redis.ts'
import { createEpochTable, enter, readVersions } from './store.ts'

/** A look that takes longer would give a lease that is over. */
const STATEMENT_MS = 1_000
/** One for looks at the row, one for whoever closes an epoch meanwhile. */
export const CACHE_CONNECTIONS = 2

export type CacheParts = Readonly<{
  /** The database. */
  url: string
  /** Null: this process closes the epoch when it writes, and others may open it again. */
  redis: RedisPlace | null
  /** Usually left out. */
  pace?: Pace
}>

/** What writers need, whoever they are. */
export type WriterCache = Readonly<{
  fence: Fence
  /** Connects to Redis, if it can. Never throws: whoever has no Redis writes without. */
  start: () => Promise<void>
  stop: () => Promise<void>
}>

/** What servers have beside that. */
export type ServerCache = WriterCache &
  Readonly<{
    /** Null without Redis: then the database answers. */
    read: Reader | null
  }>

/** For processes that only write: workers, the auth layer, functions and commands. */
export function openWriterCache(parts: CacheParts): WriterCache {
  const { fence, start, stop } = open(parts, null)
  return { fence, start, stop }
}

/**
 * For servers: they read copies, and open and close epochs.
 *
 * @param db Where what a copy is made of is read.
 */
export function openServerCache(parts: CacheParts, db: Queryable): ServerCache {
  return open(parts, db)
}

function open({ url, redis: place, pace }: CacheParts, db: Queryable | null): ServerCache {
  const pool = openPool({
    url,
    max: CACHE_CONNECTIONS,
    statementTimeoutMs: STATEMENT_MS,
    applicationName: 'farthing cache',
  })
  const table = createEpochTable(pool)
  const leases = createLeases(clock)
  const endings = createEndings(clock)
  const redis = place && createRedis(place)
  const copies = redis?.copies ?? null
  const chance = Math.random
  const keeper =
    copies && db
      ? createKeeper({ table, copies, leases, endings, clock, chance, ...(pace && { pace }) })
      : null
  const counted = keeper?.counted ?? ignored
  const fence = createFence({ enter, table, copies, endings, counted })
  const stopping = new AbortController()
  let looking: Promise<void> = Promise.resolve()

  async function keepLooking({ tick }: Keeper): Promise<void> {
    while (!stopping.signal.aborted) {
      await tick()
      await sleep(POLL_MS, undefined, { signal: stopping.signal }).catch(ignored)
    }
  }

  return {
    fence,
    read:
      keeper && copies && db
        ? createReader({
            copies,
            leases,
            versions: async (user) => await readVersions(db, user),
            lost: keeper.lost,
          })
        : null,
    start: async () => {
      await redis?.start()
      if (keeper) looking = keepLooking(keeper)
    },
    stop: async () => {
      stopping.abort()
      await looking
      await redis?.stop()
      await pool.end()
    },
  }
}

function ignored(): void {}

const clock: SteadyClock = {
  monotonic: () => performance.now(),
  sleep: async (ms) => {
    await sleep(ms)
  },
}
