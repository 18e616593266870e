import { openWriterCache } from '../../cache/cache.ts'
import { readConfig } from '../../config.ts'
import { createFreezeNotes, createRecorder } from '../../auth/guard/record.ts'
import { requireMigrated } from '../../db/migrated.ts'
import { setFrozen } from '../../payments/freeze.ts'
import { systemClock } from '../../time.ts'
import { sharedDatabase, sharedPool } from '../database.ts'
import { byId, whom } from './whom.ts'

/** Whoever may run commands here is an operator. */
const COMMAND = { name: 'a command', clientId: null, network: null, device: null } as const

/** Stops a user from sending, or lets them again; beside a running server as well. */
export async function freeze(user: string, frozen: boolean): Promise<number> {
  const config = readConfig(process.env)
  const database = await sharedDatabase(config)
  const pool = sharedPool(config, database.url)
  const cache = openWriterCache({ url: database.url, ...config.cache })
  try {
    await requireMigrated(pool)
    await cache.start()
    const userId = frozen ? await whom(pool, user) : byId(user)
    const noteFrozen = createFreezeNotes(createRecorder(pool, systemClock))
    const { handle, status } = await setFrozen(
      { pool, fence: cache.fence, noteFrozen },
      userId,
      frozen,
      COMMAND,
    )
    console.log(`${handle} is now ${status}.`)
  } finally {
    await cache.stop()
    await pool.end()
    await database.stop()
  }
  return 0
}
