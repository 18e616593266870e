import { runMigrations } from 'graphile-worker'
import { Pool } from 'pg'
import { placeIn } from '../db/hosts.ts'
import { queueLogger } from './logger.ts'

/** Brings the queue's own tables up to date. */
export async function migrateQueue(url: string): Promise<void> {
  const pgPool = new Pool({ ...placeIn(url), max: 1 })
  pgPool.on('error', (error) => queueLogger.warn(`An idle connection broke: ${error.message}`))
  pgPool.on('connect', (client) => client.on('error', () => undefined)) // its query tells it
  try {
    await runMigrations({ pgPool, logger: queueLogger })
  } finally {
    await pgPool.end()
  }
}
