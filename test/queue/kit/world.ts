import type { Pool } from '../../../src/db/pool.ts'
import type { Jobs, RunJob } from '../../../src/queue/jobs.ts'
import { runJobs } from '../../../src/queue/run.ts'
import type { JobRunner } from '../../../src/queue/run.ts'
import { freshDatabase } from '../../kit/database.ts'

type Settle = Jobs['settle-instruction']

/** A queue on a database of its own, and the runners that were started on it. */
export type QueueWorld = Readonly<{
  url: string
  pool: Pool
  /** @param databaseUrl Another way to the same database; by default the straight one. */
  start: (
    settle: (payload: Settle) => Promise<void>,
    databaseUrl?: string,
    concurrency?: number,
    shortMs?: number,
  ) => JobRunner
  waitingJobs: () => Promise<number>
  lockedJobs: () => Promise<number>
  /** Stops all runners, and forgets all jobs. */
  clear: () => Promise<void>
  end: () => Promise<void>
}>

export const payload = (transactionId: string): Settle => ({ payerId: 'p', transactionId })

const TIMEOUT_MS = 60_000

export async function startQueueWorld(): Promise<QueueWorld> {
  const db = await freshDatabase()
  const runners: JobRunner[] = []
  const count = async (where: string): Promise<number> =>
    (await db.pool.query(`select from graphile_worker.jobs where ${where}`)).rowCount ?? 0
  return {
    url: db.url,
    pool: db.pool,
    start: (settle, databaseUrl = db.url, concurrency = 2, shortMs = TIMEOUT_MS) => {
      const run: RunJob = async ({ name, payload }) => {
        if (name === 'settle-instruction') await settle(payload)
      }
      const timeouts = { shortMs, longMs: TIMEOUT_MS }
      const runner = runJobs({ databaseUrl, run, concurrency, timeouts })
      runners.push(runner)
      return runner
    },
    waitingJobs: async () => await count('true'),
    lockedJobs: async () => await count('locked_at is not null'),
    clear: async () => {
      for (const runner of runners.splice(0)) await runner.stop()
      await db.pool.query('delete from graphile_worker._private_jobs')
    },
    end: async () => await db.drop(),
  }
}
