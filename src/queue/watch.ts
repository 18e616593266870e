import { channel } from 'node:diagnostics_channel'
import type { Queryable } from '../db/query.ts'
import { repeatedly } from '../time.ts'
import type { Repeated } from '../time.ts'
import { queueLogger } from './logger.ts'
import { countJobs } from './look.ts'

/** Publishes how many jobs there are in each state. */
const jobsChannel = channel('farthing:queue.jobs')

/** A look reads the whole queue: not too often. */
const LOOK_EVERY_MS = 15_000

/**
 * Counts the queue's jobs again and again, for who watches over it: what is parked stays so until
 * somebody comes. While the database is away it goes on trying.
 */
export function watchJobs(db: Queryable, everyMs = LOOK_EVERY_MS): Repeated {
  return repeatedly(everyMs, async () => {
    try {
      jobsChannel.publish(await countJobs(db))
    } catch (error) {
      queueLogger.warn(`The queue's jobs cannot be counted: ${String(error)}`)
    }
    return true
  })
}
