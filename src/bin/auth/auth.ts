import { readConfig } from '../../config.ts'
import { guardDatabase } from '../../db/guard.ts'
import { requireMigrated } from '../../db/migrated.ts'
import { loadKeys } from '../../keys.ts'
import { createLog } from '../../ops/log.ts'
import { createTelemetry } from '../../ops/telemetry.ts'
import { systemClock } from '../../time.ts'
import { buildAuthDoor } from './build.ts'
import { sharedDatabase, sharedPool } from '../database.ts'
import { freePort, listenAuth } from '../listen.ts'
import { stopInTime, untilToldToStop } from '../stop.ts'

/** The auth layer alone, until it is told to stop, or whoever started it is gone. */
export async function auth(): Promise<number> {
  const config = readConfig(process.env)
  const toldToStop = untilToldToStop()
  endWithParent()
  const database = await sharedDatabase(config)
  const closers: (() => Promise<unknown>)[] = [database.stop]
  try {
    const pool = sharedPool(config, database.url)
    closers.unshift(async () => await pool.end())
    // Nobody reads its metrics. What is published of trouble goes to the log.
    createTelemetry({ log: createLog(config.environment), poolCounts: pool.counts })
    await guardDatabase(pool)
    await requireMigrated(pool)
    const port = config.auth.port === 0 ? await freePort(config.host) : config.auth.port
    const issuer = config.auth.port === 0 ? `http://localhost:${port}` : config.auth.url
    const site = { config, keys: await loadKeys(config), url: database.url }
    const door = buildAuthDoor(site, pool, systemClock, issuer)
    closers.unshift(await listenAuth(door, config.host, port))
    if (process.send) process.send({ issuer })
    else console.log(`Farthing signs people in at ${issuer}.`)
    await toldToStop
  } finally {
    await stopInTime(closers)
  }
  return 0
}

/**
 * Started by `farthing start`, it ends when that process does. At once: whoever starts it anew
 * finds our port free.
 */
function endWithParent(): void {
  if (process.send !== undefined) process.once('disconnect', () => process.exit(1))
}
