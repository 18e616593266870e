import { setTimeout as sleep } from 'node:timers/promises'
import { Client } from 'pg'
import { isLockTimeout } from '../db/errors.ts'
import { requireStandby } from '../db/standby/limbo.ts'
import { clientConfig, close } from './connections.ts'
import { queueLogger } from './logger.ts'

/** The first half of the advisory locks' names; the second is a hash of the runner's name. */
const LOCK_SPACE = 463_719_640
/** A runner takes its lock right after it is born; until then its jobs look like orphans. */
const GRACE = '3 seconds'
const SWEEP_MS = 2_000
/**
 * The server ends a session that says nothing: one whose network is gone is still open there. No
 * statement waits for long, so that the lock is taken, and given up, within the grace.
 */
const settings = `
  set idle_session_timeout = '10s'; set statement_timeout = '5s'; set lock_timeout = '1s'`

export type Lease = Readonly<{
  /** From the answer on the jobs of this runner are left alone. One that fails is `onLost`. */
  hold(runner: string): Promise<void>
  /**
   * Waits for half a second at most. The runner's jobs are anybody's then. If it was told to stop,
   * they have the attempt back that it broke off: whoever deploys often parks no long jobs.
   */
  release(wasTold: boolean): Promise<void>
}>

/**
 * A session that shows others that a runner lives, and frees the jobs of those that do not.
 *
 * A runner marks the jobs it works on as its own, and the library believes a mark for four hours.
 * So each runner holds an advisory lock by its name, which ends with this session, and the session
 * ends when it is silent. Whoever finds jobs of a runner whose lock is free gives them back.
 *
 * @param onLost Hears why, once the lease cannot be relied on any more. It may hear it twice.
 * @throws Error of the driver when the database cannot be reached.
 */
export async function openLease(
  databaseUrl: string,
  onLost: (error: unknown) => void,
): Promise<Lease> {
  const client = new Client(clientConfig(databaseUrl, 'farthing queue lease'))
  const released = new AbortController()
  let held: string | null = null
  client.on('error', onLost)
  await client.connect()
  try {
    // Else each runner, one after the other, would leave a session behind that waits for ever.
    await requireStandby(async (text) => await client.query(text))
  } catch (error) {
    await close(client.end(), [client])
    throw error
  }

  async function keepFreeing(): Promise<void> {
    await client.query(settings)
    while (!released.signal.aborted) {
      await freeOrphans(client, held)
      await sleep(SWEEP_MS, undefined, { signal: released.signal })
    }
  }
  keepFreeing().catch((error: unknown) => {
    if (!released.signal.aborted) onLost(error)
  })

  return {
    hold: async (runner) => {
      held = runner
      try {
        await client.query('select pg_advisory_lock($1, hashtext($2))', [LOCK_SPACE, runner])
      } catch (error) {
        onLost(error)
      }
    },
    release: async (wasTold) => {
      released.abort()
      const ending = async (): Promise<void> => {
        if (wasTold && held !== null) {
          await giveBack(client, held).catch((error: unknown) => {
            queueLogger.warn(`Attempts that a stop broke off are used up: ${String(error)}`)
          })
        }
        await client.end()
      }
      await close(ending(), [client])
    },
  }
}

async function giveBack(client: Client, runner: string): Promise<void> {
  await client.query(
    `with broken_off as materialized (
       select id, attempts from graphile_worker.jobs where locked_by = $1
     ), freed as materialized (
       select graphile_worker.force_unlock_workers(array[$1]) where exists (select from broken_off)
     )
     select graphile_worker.reschedule_jobs(array[id], attempts => attempts - 1)
     from broken_off cross join freed`,
    [runner],
  )
}

/** Jobs whose rows somebody else has locked are left for the next time. */
async function freeOrphans(client: Client, own: string | null): Promise<void> {
  try {
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
  } catch (error) {
    if (!isLockTimeout(error)) throw error
  }
}
