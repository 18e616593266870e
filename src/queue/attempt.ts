import type { JobHelpers } from 'graphile-worker'
import { inTime } from '../time.ts'
import { jobNames, secretMembers, timeoutOf } from './jobs.ts'
import type { JobEvent, JobName, JobTimeouts, RunJob } from './jobs.ts'
import type { Shown } from './shown.ts'

const ERROR_TEXT_MAX = 1_000
/** Shorter ones may be part of any word. */
const SECRET_LENGTH_MIN = 4

/** What the queue's library calls for each attempt, by the job's name. */
export function taskList(run: RunJob, shown: Shown, timeouts: JobTimeouts) {
  return Object.fromEntries(jobNames.map((name) => [name, taskFor(name, run, shown, timeouts)]))
}

/** Payloads were typed when they were added, and come back as they were stored. */
function taskFor(name: JobName, run: RunJob, shown: Shown, timeouts: JobTimeouts) {
  return async (payload: unknown, { job }: Pick<JobHelpers, 'job'>) => {
    const event = { jobId: job.id, attempt: job.attempts, name, payload } as JobEvent
    try {
      await shown()
      await inTime(timeoutOf(name, timeouts), async (signal) => await run(event, signal))
    } catch (error) {
      throw tellable(error, payload)
    }
  }
}

/**
 * Operators read what went wrong, and PostgreSQL keeps it: without what the payload keeps secret,
 * without NUL or half a surrogate pair, which it cannot store, and of a length with an end.
 */
export function tellable(error: unknown, payload: unknown): unknown {
  const text = error instanceof Error ? error.message : String(error)
  const told = secretsOf(payload).reduce((left, secret) => left.replaceAll(secret, '…'), text)
  const kept = told.slice(0, ERROR_TEXT_MAX).replaceAll('\0', ' ').toWellFormed()
  if (kept === text) return error
  // The cause would repeat in a log what was left out here.
  return told === text ? new Error(kept, { cause: error }) : new Error(kept)
}

function secretsOf(payload: unknown): readonly string[] {
  const members = (payload ?? {}) as Readonly<Record<string, unknown>>
  return secretMembers
    .map((name) => members[name])
    .filter((value) => typeof value === 'string')
    .filter((value) => value.length >= SECRET_LENGTH_MIN)
}
