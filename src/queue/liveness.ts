import { setTimeout as sleep } from 'node:timers/promises'
import { Client } from 'pg'
import { queueLogger } from './logger.ts'

/** The first half of the advisory locks' names; the second is a hash of the runner's name. */
const LOCK_SPACE = 463_719_640
/** A runner takes its lock right after it is born; until then its jobs look like orphans. */
const GRACE = '3 seconds'
const SWEEP_MS = 2_000
const RECONNECT_MS = 1_000
const ANSWER_TIMEOUT_MS = 5_000

export type Liveness = Readonly<{
  /** The runner that works in this process from now on. */
  announce(runner: string): void
  stop(): Promise<void>
}>

/**
 * Frees the jobs of runners that died. A runner marks the jobs it works on as its own, and the
 * library believes a mark for four hours. So each runner holds an advisory lock by its name on a
 * session of its own, which ends when its process does; whoever finds jobs of a runner whose lock
 * is free gives them back.
 */
export function keepAlive(databaseUrl: string): Liveness {
  const stopping = new AbortController()
  let runner: string | null = null

  /** Holds the lock and sweeps, until the session breaks or the work ends. */
  async function session(): Promise<void> {
    const client = new Client({
      connectionString: databaseUrl,
      application_name: 'farthing queue liveness',
      connectionTimeoutMillis: ANSWER_TIMEOUT_MS,
      query_timeout: ANSWER_TIMEOUT_MS,
    })
    client.on('error', () => undefined) // told by the query that meets it
    let held: string | null = null
    try {
      await client.connect()
      while (!stopping.signal.aborted) {
        if (runner !== null && held !== runner) {
          await client.query('select pg_advisory_unlock_all()')
          await client.query('select pg_advisory_lock($1, hashtext($2))', [LOCK_SPACE, runner])
          held = runner
        }
        await freeOrphans(client, held)
        await pause(SWEEP_MS, stopping.signal, () => runner !== held)
      }
    } finally {
      await client.end()
    }
  }

  async function keep(): Promise<void> {
    while (!stopping.signal.aborted) {
      try {
        await session()
      } catch (error) {
        queueLogger.warn(`The queue's session is lost: ${String(error)}`)
        await pause(RECONNECT_MS, stopping.signal, () => false)
      }
    }
  }

  const keeping = keep()
  return {
    announce: (name) => {
      runner = name
    },
    stop: async () => {
      stopping.abort()
      await keeping
    },
  }
}

async function freeOrphans(client: Client, own: string | null): Promise<void> {
  await client.query(
    `with holder as materialized (
       select distinct locked_by as name from graphile_worker.jobs
       where locked_at < now() - interval '${GRACE}' and locked_by is distinct from $2
     ), dead as materialized (
       select name from holder where pg_try_advisory_xact_lock($1, hashtext(name))
     )
     select graphile_worker.force_unlock_workers(array(select name from dead))
     where exists (select from dead)`,
    [LOCK_SPACE, own],
  )
}

const LOOK_MS = 100

/** Waits, but not once there is something to do. */
async function pause(ms: number, signal: AbortSignal, busy: () => boolean): Promise<void> {
  for (let waited = 0; waited < ms && !signal.aborted && !busy(); waited += LOOK_MS) {
    await sleep(LOOK_MS)
  }
}
