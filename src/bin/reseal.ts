import { resealSecrets } from '../auth/factors/reseal.ts'
import { resealAll } from '../banks/reseal.ts'
import { readConfig } from '../config.ts'
import { requireMigrated } from '../db/migrated.ts'
import { loadKeys } from '../keys.ts'
import { sharedDatabase, sharedPool } from './database.ts'

/**
 * Seals bank account numbers and secrets of authenticator apps anew under the first key, so that
 * older keys can go.
 */
export async function reseal(): Promise<number> {
  const config = readConfig(process.env)
  const { sealKeys } = await loadKeys(config)
  const database = await sharedDatabase(config)
  const pool = sharedPool(config, database.url)
  try {
    await requireMigrated(pool)
    const count = await resealAll(pool, sealKeys)
    console.log(`${count} bank account numbers were sealed anew.`)
    const secrets = await resealSecrets(pool, sealKeys)
    console.log(`${secrets} secrets of authenticator apps were sealed anew.`)
  } finally {
    await pool.end()
    await database.stop()
  }
  return 0
}
