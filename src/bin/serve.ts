import { readConfig } from '../config.ts'
import { guardDatabase } from '../db/guard.ts'
import { loadKeys } from '../keys.ts'
import { buildDoors, buildHouse } from './build.ts'
import { requireMigrated, sharedDatabase } from './database.ts'
import { listen } from './listen.ts'
import { stopInTime, untilToldToStop } from './stop.ts'

/** The API alone, beside workers elsewhere, until it is told to stop. */
export async function serve(): Promise<number> {
  const config = readConfig(process.env)
  const toldToStop = untilToldToStop()
  const database = await sharedDatabase(config)
  const closers: (() => Promise<unknown>)[] = [database.stop]
  try {
    const house = buildHouse({ config, keys: await loadKeys(config), url: database.url })
    closers.unshift(house.close)
    await guardDatabase(house.pool)
    await requireMigrated(house.pool)
    const doors = await listen(buildDoors(house), config)
    closers.unshift(doors.close)
    console.log(`Farthing serves at ${doors.api}.`)
    await toldToStop
  } finally {
    await stopInTime(closers)
  }
  return 0
}
