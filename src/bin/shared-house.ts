import { readConfig } from '../config.ts'
import { guardDatabase } from '../db/guard.ts'
import { loadKeys } from '../keys.ts'
import { buildHouse, type House } from './build.ts'
import { requireMigrated } from '../db/migrated.ts'
import { sharedDatabase } from './database.ts'
import { stopInTime, untilToldToStop } from './stop.ts'

/** What runs in the house: how it ends, and when, if it may end before it is told to. */
export type Running = Readonly<{ close: () => Promise<unknown>; over?: Promise<void> }>

/**
 * Builds the house on a database that other processes work on too, opens it, and closes everything
 * in order when the process is told to stop.
 */
export async function runInSharedHouse(open: (house: House) => Promise<Running>): Promise<number> {
  const config = readConfig(process.env)
  const toldToStop = untilToldToStop()
  const database = await sharedDatabase(config)
  const closers: (() => Promise<unknown>)[] = [database.stop]
  try {
    const house = buildHouse({ config, keys: await loadKeys(config), url: database.url })
    closers.unshift(house.close)
    await guardDatabase(house.pool)
    await requireMigrated(house.pool)
    const { close, over } = await open(house)
    closers.unshift(close)
    await Promise.race(over ? [toldToStop, over] : [toldToStop])
  } finally {
    await stopInTime(closers)
  }
  return 0
}
