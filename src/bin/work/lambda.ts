import { openWriterCache } from '../../cache/cache.ts'
import { readConfig } from '../../config.ts'
import type { Config } from '../../config.ts'
import { guardDatabase } from '../../db/guard.ts'
import { requireMigrated } from '../../db/migrated.ts'
import { openPool } from '../../db/pool.ts'
import { StartRefused } from '../../errors.ts'
import { createFunction, type Opened } from '../../functions/lambda/serve.ts'
import { loadKeys } from '../../keys.ts'
import { systemClock } from '../../time.ts'
import { buildFunctionParts, buildPaymentParts } from './parts.ts'

/**
 * Lambda starts as many functions as there are jobs at once, and each has connections of its own:
 * one job needs two, and one for the books.
 */
const POOL_MAX = 2
const LEDGER_CONNECTIONS = 1

const { config, url } = readFunctionConfig()

/** What AWS Lambda calls, once for each invocation. */
export const handler = createFunction(open, systemClock)

function readFunctionConfig(): Readonly<{ config: Config; url: string }> {
  const config = { ...readConfig(process.env), ledgerConnections: LEDGER_CONNECTIONS }
  const { databaseUrl: url, keys } = config
  if (url === null)
    throw new StartRefused('A function has no database of its own: set DATABASE_URL.')
  if (keys === null) throw new StartRefused('A function makes no keys: set FARTHING_KEYS.')
  return { config, url }
}

async function open(): Promise<Opened> {
  const site = { config, keys: await loadKeys(config), url }
  const pool = openPool({
    url,
    max: POOL_MAX,
    statementTimeoutMs: config.statementTimeoutMs,
    applicationName: 'farthing function',
  })
  try {
    await guardDatabase(pool)
    await requireMigrated(pool)
  } catch (error) {
    await pool.end()
    throw error
  }
  const cache = openWriterCache({ url, ...config.cache })
  await cache.start()
  const parts = { pool, fence: cache.fence, clock: systemClock }
  const payments = buildPaymentParts(site, parts)
  const close = async (): Promise<void> => {
    await payments.ledger.close()
    await cache.stop()
    await pool.end()
  }
  return { parts: buildFunctionParts(site, payments), close }
}
