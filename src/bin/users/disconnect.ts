import { createRecorder } from '../../auth/guard/record.ts'
import { disconnect as endAll } from '../../auth/sessions/disconnect.ts'
import { readConfig } from '../../config.ts'
import { StartRefused } from '../../errors.ts'
import { parseId } from '../../ids/ids.ts'
import { systemClock } from '../../time.ts'
import { requireMigrated, sharedDatabase, sharedPool } from '../database.ts'

/** Ends all sessions and tokens of a user; beside running servers, which know within a second. */
export async function disconnect(user: string): Promise<number> {
  const userId = parseId('user', user)
  if (!userId) throw new StartRefused(`"${user}" is no user id: they look like user_0198f3c2….`)
  const config = readConfig(process.env)
  const database = await sharedDatabase(config)
  const pool = sharedPool(config, database.url)
  try {
    await requireMigrated(pool)
    const record = createRecorder(pool, systemClock)
    const count = await endAll({ pool, clock: systemClock, record }, userId)
    console.log(`Sessions ended: ${count}. No token that was issued until now opens anything more.`)
  } finally {
    await pool.end()
    await database.stop()
  }
  return 0
}
