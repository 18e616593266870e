import { setTimeout as sleep } from 'node:timers/promises'
import { Client } from 'pg'
import { clientConfig, close } from './connections.ts'

/** The first half of the advisory locks' names; the second is a hash of the runner's name. */
const LOCK_SPACE = 463_719_640
/** A runner takes its lock right after it is born; until then its jobs look like orphans. */
const GRACE = '3 seconds'
const SWEEP_MS = 2_000
/** The server ends a session that says nothing: one whose network is gone is still open there. */
const SILENCE = '10s'

export type Lease = Readonly<{
  /** From now on the jobs of this runner are left alone. */
  hold(runner: string): void
  /** Waits for half a second at most. The runner's jobs are anybody's then. */
  release(): Promise<void>
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

  async function keepFreeing(): Promise<void> {
    await client.query(`set idle_session_timeout = '${SILENCE}'`)
    while (!released.signal.aborted) {
      await freeOrphans(client, held)
      await sleep(SWEEP_MS, undefined, { signal: released.signal })
    }
  }
  keepFreeing().catch((error: unknown) => {
    if (!released.signal.aborted) onLost(error)
  })

  return {
    hold: (runner) => {
      held = runner
      client.query('select pg_advisory_lock($1, hashtext($2))', [LOCK_SPACE, runner]).catch(onLost)
    },
    release: async () => {
      released.abort()
      await close(client.end(), [client])
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
