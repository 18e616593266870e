import { runMigrations } from 'graphile-worker'
import { queueLogger } from './logger.ts'

/** Brings the queue's own tables up to date. */
export async function migrateQueue(url: string): Promise<void> {
  await runMigrations({ connectionString: url, maxPoolSize: 1, logger: queueLogger })
}
