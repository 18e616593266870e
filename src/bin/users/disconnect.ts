import { createRecorder } from '../../auth/guard/record.ts'
import { disconnect as endAll } from '../../auth/sessions/disconnect.ts'
import { readConfig } from '../../config.ts'
import { requireMigrated } from '../../db/migrated.ts'
import { systemClock } from '../../time.ts'
import { sharedDatabase, sharedPool } from '../database.ts'
import { SIGN_IN_LATER, whom } from './whom.ts'

/** Ends all sessions and tokens of a user; beside running servers, which know within a second. */
export async function disconnect(user: string): Promise<number> {
  const config = readConfig(process.env)
  const database = await sharedDatabase(config)
  const pool = sharedPool(config, database.url)
  try {
    await requireMigrated(pool)
    const userId = await whom(pool, user)
    const record = createRecorder(pool, systemClock)
    const count = await endAll({ pool, clock: systemClock, record }, userId)
    console.log(`Sessions ended: ${count}. No token that was issued until now opens anything more.`)
    console.log(SIGN_IN_LATER)
  } finally {
    await pool.end()
    await database.stop()
  }
  return 0
}
