import { readConfig } from '../config.ts'
import { guardDatabase } from '../db/guard.ts'
import { loadKeys } from '../keys.ts'
import { createLog } from '../ops/log.ts'
import { createTelemetry } from '../ops/telemetry.ts'
import { buildHouse, startJobs } from './build.ts'
import { requireMigrated, sharedDatabase } from './database.ts'
import { stopInTime, untilToldToStop } from './stop.ts'

/** Jobs alone, in any number of processes, until it is told to stop. */
export async function work(): Promise<number> {
  const config = readConfig(process.env)
  const toldToStop = untilToldToStop()
  const database = await sharedDatabase(config)
  const closers: (() => Promise<unknown>)[] = [database.stop]
  try {
    const house = buildHouse({ config, keys: await loadKeys(config), url: database.url })
    closers.unshift(house.close)
    await guardDatabase(house.pool)
    await requireMigrated(house.pool)
    const log = createLog(config.environment)
    createTelemetry({ log, poolCounts: house.pool.counts })
    const jobs = startJobs(house)
    closers.unshift(jobs.stop)
    console.log(`Farthing works: ${config.jobConcurrency} jobs at once.`)
    await toldToStop
  } finally {
    await stopInTime(closers)
  }
  return 0
}
