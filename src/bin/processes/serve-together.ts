import { readConfig } from '../../config.ts'
import { loadKeys } from '../../keys.ts'
import { connectionsOf, warnOfConnections } from './connections.ts'
import { requireMigrated } from '../../db/migrated.ts'
import { sharedDatabase, sharedPool } from '../database.ts'
import { guardDatabase } from '../../db/guard.ts'
import { freePorts, printAddress } from '../listen.ts'
import { stopInTime, untilToldToStop } from '../stop.ts'
import { createCounting } from './counting.ts'
import { createGroupDoors } from './doors.ts'
import { allOrNone, stopAll } from './keep.ts'
import { startServers } from './servers.ts'

/** Servers that share a port, on a database that others work on too. */
export async function serveTogether(count: number): Promise<number> {
  const asked = readConfig(process.env)
  const toldToStop = untilToldToStop()
  const database = await sharedDatabase(asked)
  const closers: (() => Promise<unknown>)[] = [database.stop]
  try {
    const { PORT } = await freePorts(asked.host, { PORT: asked.port })
    const settings = { DATABASE_URL: database.url, PORT: String(PORT) }
    const config = readConfig({ ...process.env, ...settings })
    await loadKeys(config)
    const pool = sharedPool(config, database.url)
    try {
      await guardDatabase(pool)
      await requireMigrated(pool)
      const processes = { servers: count, workers: 0, auths: 0 }
      await warnOfConnections(pool, connectionsOf(config, processes))
    } finally {
      await pool.end()
    }
    const doors = createGroupDoors(config)
    const answersFor = createCounting()
    const server = await allOrNone(startServers({ count, settings, answersFor, toldToStop }))
    closers.unshift(async () => await stopAll(server))
    closers.unshift(doors.close)
    await doors.open({ server })
    console.log(`Farthing serves at ${printAddress(config.host, config.port)}.`)
    await toldToStop
  } finally {
    await stopInTime(closers)
  }
  return 0
}
