import { readConfig } from '../config.ts'
import { connectionsOf } from './processes/connections.ts'
import { ownDatabase, prepareDatabase, sharedPool } from './database.ts'

/** Brings the database up to date, also beside running servers. */
export async function migrate(): Promise<number> {
  const config = readConfig(process.env)
  const database = await ownDatabase(
    config,
    connectionsOf(config, { servers: 1, workers: 1, auths: 1 }),
  )
  const pool = sharedPool(config, database.url)
  try {
    const names = await prepareDatabase(pool, database.url)
    for (const name of names) console.log(`applied ${name}`)
    if (names.length === 0) console.log('The database is up to date.')
  } finally {
    await pool.end()
    await database.stop()
  }
  return 0
}
