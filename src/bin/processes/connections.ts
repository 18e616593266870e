import { CACHE_CONNECTIONS } from '../../cache/cache.ts'
import type { Config } from '../../config.ts'
import { readConnectionLimit } from '../../db/guard.ts'
import type { Queryable } from '../../db/query.ts'

/** Beside its batches, a ledger watches stuck accounts; a server reads what was ended. */
const BESIDE_LANES = 2
/** What became of a request, a server looks up on connections that nothing else waits for. */
export const INQUIRIES_AT_ONCE = 2
/** Beside one for each job the queue listens, has one to spare and one to find who has died. */
const BESIDE_JOBS = 3
const AUDIT = 2
/** Commands in other shells, a migration, and what PostgreSQL keeps for its superuser. */
const OTHERS = 12

/** How many processes of each kind work on the database. */
export type Processes = Readonly<{ servers: number; workers: number; auths: number }>

/**
 * How many connections to the database these processes may have at most, with `farthing reload`
 * under way: then a server finishes what it has begun while another is in its place already.
 */
export function connectionsOf(config: Config, { servers, workers, auths }: Processes): number {
  const { poolMax, ledgerConnections, jobs } = config
  const house = poolMax + ledgerConnections + BESIDE_LANES + CACHE_CONNECTIONS
  const server = house + INQUIRIES_AT_ONCE
  const worker = house + jobs.concurrency + BESIDE_JOBS + AUDIT
  const auth = poolMax + CACHE_CONNECTIONS
  return 2 * (servers * server + workers * worker) + auths * auth + OTHERS
}

/** Says so at the start when the database does not allow as many connections as may be wanted. */
export async function warnOfConnections(db: Queryable, needed: number): Promise<void> {
  const allowed = await readConnectionLimit(db)
  if (allowed >= needed) return
  console.error(
    `PostgreSQL allows ${allowed} connections, and these processes may want ${needed}. Under ` +
      'load some requests would be refused. Let max_connections of the server be higher, or ' +
      'SERVERS, POOL_MAX or LEDGER_CONNECTIONS lower.',
  )
}
