import { DirectoryInUse } from '../db/embedded/claim.ts'
import { findEmbedded, startEmbedded } from '../db/embedded.ts'
import type { Config } from '../config.ts'
import { connectionsOf } from './processes/connections.ts'
import { migrate, readMigrations } from '../db/migrate.ts'
import { openPool, type Pool } from '../db/pool.ts'
import { StartRefused } from '../errors.ts'
import { chart } from '../ledger/chart.ts'
import { openAccounts } from '../ledger/store.ts'
import { migrateQueue } from '../queue/schema.ts'
import { systemClock } from '../time.ts'

/** A database to work on. `stop` ends it when it is ours to end. */
export type Database = Readonly<{ url: string; stop: () => Promise<void> }>

const nothingToStop = async (): Promise<void> => undefined

/**
 * The configured database, or the embedded one, started for us alone.
 *
 * @param connections How many it shall allow, when it is the embedded one.
 */
export async function ownDatabase(config: Config, connections: number): Promise<Database> {
  if (config.databaseUrl !== null) return { url: config.databaseUrl, stop: nothingToStop }
  const settings = { max_connections: String(connections) }
  return await startEmbedded({ dir: config.dataDir, settings })
}

/** For commands beside a running server: its embedded database, or our own when none runs. */
export async function sharedDatabase(config: Config): Promise<Database> {
  if (config.databaseUrl === null && (await findEmbedded(config.dataDir)) === null) {
    throw new StartRefused(
      `There is no database in ${config.dataDir} yet: run \`farthing start\` once, or set ` +
        'DATABASE_URL or DATA_DIR to where it is.',
    )
  }
  try {
    const processes = { servers: config.servers ?? 1, workers: 1, auths: 1 }
    return await ownDatabase(config, connectionsOf(config, processes))
  } catch (error) {
    if (!(error instanceof DirectoryInUse)) throw error
    const url = await findEmbedded(config.dataDir)
    if (url === null) throw error
    return { url, stop: nothingToStop }
  }
}

/** Opens the pool that all but the ledger's batches share, or a smaller one beside it. */
export function sharedPool(config: Config, url: string, max: number = config.poolMax): Pool {
  return openPool({
    url,
    max,
    statementTimeoutMs: config.statementTimeoutMs,
    applicationName: 'farthing',
  })
}

/**
 * Makes a database ready: safe for money, every migration in, the chart of accounts opened.
 * @returns the names of the migrations that were missing.
 */
export async function prepareDatabase(pool: Pool, url: string): Promise<readonly string[]> {
  const migrations = await readMigrations()
  // Before the pool is used: to a breaking migration its connections would be those of a server.
  const names = await migrate({ url, migrations, alongside: migrateQueue })
  await openAccounts(pool, Object.values(chart), systemClock.now())
  return names
}
