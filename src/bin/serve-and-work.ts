import { readConfig } from '../config.ts'
import { guardDatabase } from '../db/guard.ts'
import { requireMigrated } from '../db/migrated.ts'
import { loadKeys } from '../keys.ts'
import { createLog } from '../ops/log.ts'
import { createTelemetry } from '../ops/telemetry.ts'
import { buildDoors, buildHouse, type House } from './build.ts'
import { sharedDatabase } from './database.ts'
import { listen } from './listen.ts'
import { stopInTime, untilToldToStop } from './stop.ts'
import { startJobs } from './work/start-jobs.ts'

/** The API alone, beside workers elsewhere, until it is told to stop. */
export async function serve(): Promise<number> {
  return await runInSharedHouse(async (house) => {
    const { api, close } = await listen(buildDoors(house), house.site.config)
    return { greeting: `Farthing serves at ${api}.`, close }
  })
}

/** Jobs alone, in any number of processes, until it is told to stop. */
export async function work(): Promise<number> {
  return await runInSharedHouse(async (house) => {
    const { environment, jobs: settings } = house.site.config
    createTelemetry({ log: createLog(environment), poolCounts: house.pool.counts })
    const jobs = await startJobs(house)
    const where = settings.lambda ? `on AWS Lambda (${settings.lambda.functionName})` : 'here'
    const greeting = `Farthing works: ${settings.concurrency} jobs at once, ${where}.`
    return { greeting, close: jobs.stop }
  })
}

/** What runs in the house: a line that says so, and how it ends. */
type Running = Readonly<{ greeting: string; close: () => Promise<unknown> }>

/**
 * Builds the house on a database that other processes work on too, opens it, and closes everything
 * in order when the process is told to stop.
 */
async function runInSharedHouse(open: (house: House) => Promise<Running>): Promise<number> {
  const config = readConfig(process.env)
  const toldToStop = untilToldToStop()
  const database = await sharedDatabase(config)
  const closers: (() => Promise<unknown>)[] = [database.stop]
  try {
    const house = buildHouse({ config, keys: await loadKeys(config), url: database.url })
    closers.unshift(house.close)
    await guardDatabase(house.pool)
    await requireMigrated(house.pool)
    const { greeting, close } = await open(house)
    closers.unshift(close)
    console.log(greeting)
    await toldToStop
  } finally {
    await stopInTime(closers)
  }
  return 0
}
