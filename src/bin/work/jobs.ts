import { readConfig } from '../../config.ts'
import { requireMigrated } from '../../db/migrated.ts'
import type { Pool } from '../../db/pool.ts'
import { StartRefused } from '../../errors.ts'
import { jobNames } from '../../queue/jobs.ts'
import { countJobs, findJobState, readJobs, retryJobs } from '../../queue/look.ts'
import type { Retry } from '../../queue/look.ts'
import { sharedDatabase, sharedPool } from '../database.ts'
import { printJobs } from './print.ts'

const SHOWN_OF_EACH = 20
const RETRIED_TOGETHER = 1_000
/** The largest id that the queue's tables can hold. */
const ID_MAX = 9_223_372_036_854_775_807n

/** What the queue holds, and why jobs failed; also beside running servers. */
export async function listJobs(): Promise<number> {
  return await withQueue(async (pool) => {
    console.log(printJobs(await countJobs(pool), await readJobs(pool, SHOWN_OF_EACH)))
  })
}

/** Has one job tried again, or all parked ones, or those of one name. */
export async function retry(said: string): Promise<number> {
  const which = readWhich(said)
  return await withQueue(async (pool) => {
    const count = await retryJobs(pool, which, RETRIED_TOGETHER, (soFar) => {
      console.log(`${soFar} so far …`)
    })
    if (which.jobId !== null && count === 0) throw await whyNot(pool, which.jobId)
    console.log(`${count} ${count === 1 ? 'job is' : 'jobs are'} tried again from now on.`)
  })
}

function readWhich(said: string): Retry {
  if (/^\d{1,19}$/.test(said) && BigInt(said) <= ID_MAX) return { jobId: said, name: null }
  if (said === 'all') return { jobId: null, name: null }
  const name = jobNames.find((known) => known === said)
  if (name) return { jobId: null, name }
  throw new StartRefused(
    `"${said}" is no job: give its number as \`farthing jobs\` shows it, a name such as ` +
      'send-message for all parked ones of it, or all.',
  )
}

async function whyNot(pool: Pool, jobId: string): Promise<StartRefused> {
  const running = (await findJobState(pool, jobId)) === 'running'
  if (running) return new StartRefused(`Job ${jobId} is running now.`)
  return new StartRefused(`There is no job ${jobId} any more: it is done, or there never was one.`)
}

async function withQueue(work: (pool: Pool) => Promise<void>): Promise<number> {
  const config = readConfig(process.env)
  const database = await sharedDatabase(config)
  const pool = sharedPool(config, database.url)
  try {
    await requireMigrated(pool)
    await work(pool)
  } finally {
    await pool.end()
    await database.stop()
  }
  return 0
}
