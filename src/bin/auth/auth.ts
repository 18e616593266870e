import { openWriterCache } from '../../cache/cache.ts'
import { readConfig } from '../../config.ts'
import { guardDatabase } from '../../db/guard.ts'
import { requireMigrated } from '../../db/migrated.ts'
import { loadKeys } from '../../keys.ts'
import { createLog } from '../../ops/log.ts'
import { createTelemetry } from '../../ops/telemetry.ts'
import { systemClock } from '../../time.ts'
import { buildAuthDoor } from './build.ts'
import { sharedDatabase, sharedPool } from '../database.ts'
import { freePorts, listenAuth } from '../listen.ts'
import { openLink } from '../processes/link.ts'
import { tellReady } from '../processes/member.ts'
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
    const log = createLog(config.environment, 'auth layer')
    const telemetry = createTelemetry({ log, poolCounts: pool.counts })
    await guardDatabase(pool)
    await requireMigrated(pool)
    const { AUTH_PORT: port } = await freePorts(config.host, { AUTH_PORT: config.auth.port })
    const issuer = config.auth.port === 0 ? `http://localhost:${port}` : config.auth.url
    const site = { config, keys: await loadKeys(config), url: database.url }
    const cache = openWriterCache({ url: database.url, ...config.cache })
    closers.unshift(cache.stop)
    await cache.start()
    const { fence } = cache
    const door = buildAuthDoor(site, { pool, fence, clock: systemClock }, issuer)
    closers.unshift(await listenAuth(door, config.host, port))
    if (process.send) {
      tellReady(openLink(process, { metrics: telemetry.snapshot }))
    } else console.log(`Farthing signs people in at ${issuer}.`)
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
