import type { Queryable } from '../db/query.ts'
import { type Micros, printTime } from '../time.ts'

/**
 * Every job by name, with what it is told. Ids are the inside form. A payload must be enough to
 * run the job twice and leave the world as after once.
 */
export type Jobs = {
  'send-message': {
    userId: string
    channel: 'email' | 'phone'
    recipient: string
    subject: string
    body: string
  }
  /** A link or a code, made anew from the seed when the message leaves: see auth/recovery. */
  'send-secret': {
    userId: string
    channel: 'email' | 'phone'
    recipient: string
    kind: 'password-reset' | 'factor-code' | 'factor-reset'
    seed: string
  }
  /** A code that proves a contact, made anew in the same way: see users/contacts. */
  'send-contact-code': {
    userId: string
    channel: 'email' | 'phone'
    recipient: string
    seed: string
  }
  'send-payment-code': { payerId: string; transactionId: string }
  /** What was not to be seen when the user's tickets were ended: see auth/tickets. */
  'end-tickets': {
    userId: string
    purpose: 'password-reset' | 'factor-proof'
    expireBefore: string
  }
  'submit-instruction': { payerId: string; transactionId: string }
  'settle-instruction': { payerId: string; transactionId: string }
  'expire-verification': { payerId: string; transactionId: string }
  'send-micro-entries': { userId: string; bankAccountId: string }
  'sweep-waiting': Record<string, never>
  audit: Record<string, never>
  'erase-old-numbers': Record<string, never>
  'erase-auth': Record<string, never>
}

export type JobName = keyof Jobs

/** One attempt at a job: all that its handler is told. The id stays the same at each attempt. */
export type JobEvent<N extends JobName = JobName> = {
  readonly [M in N]: Readonly<{ jobId: string; attempt: number; name: M; payload: Jobs[M] }>
}[N]

/**
 * Does what a job asks for. It may be called again for the same job, also after it succeeded. The
 * signal says that nobody waits for it any more.
 */
export type RunJob = (event: JobEvent, signal: AbortSignal) => Promise<void>

/**
 * How often a job is tried before it is parked. The queue waits e^n seconds after the nth failure,
 * but never longer than six hours: 12 attempts last about a day, 25 about four.
 */
export const attemptsOf: { readonly [N in JobName]: number } = {
  'send-message': 12,
  'send-secret': 12,
  'send-contact-code': 12,
  'send-payment-code': 12,
  'end-tickets': 12,
  'submit-instruction': 25,
  'settle-instruction': 25,
  'expire-verification': 25,
  'send-micro-entries': 25,
  'sweep-waiting': 3,
  audit: 3,
  'erase-old-numbers': 3,
  'erase-auth': 3,
}

export const jobNames = Object.keys(attemptsOf) as readonly JobName[]

/** What looks at many rows may take long; all else is over in seconds, or something hangs. */
const longJobs: ReadonlySet<JobName> = new Set([
  'sweep-waiting',
  'audit',
  'erase-old-numbers',
  'erase-auth',
])

/** How long one attempt may take, in milliseconds. */
export type JobTimeouts = Readonly<{ shortMs: number; longMs: number }>

export function timeoutOf(name: JobName, { shortMs, longMs }: JobTimeouts): number {
  return longJobs.has(name) ? longMs : shortMs
}

/** Members of payloads that no log and no list of jobs may show. */
export const secretMembers = ['seed', 'subject', 'body', 'recipient'] as const

export type When = Readonly<{
  /** Not before; at once when it is missing. */
  runAt?: Micros
  /** At most one waiting job has this key: a later one replaces it. */
  key?: string
  maxAttempts?: number
}>

export type Job = {
  readonly [N in JobName]: Readonly<{ name: N; payload: Jobs[N]; when: When }>
}[JobName]

/** Adds a job that runs if, and only if, the caller's transaction commits. */
export async function addJob<N extends JobName>(
  tx: Queryable,
  name: N,
  payload: Jobs[N],
  when: When,
): Promise<void> {
  await insertJobs(tx, [{ name, payload, when }])
}

/** Adds many jobs with one statement. None, no statement. */
export async function addJobs(tx: Queryable, jobs: readonly Job[]): Promise<void> {
  await insertJobs(tx, jobs)
}

const findKeysStatement = {
  name: 'queue_find_keys',
  text: `select key from graphile_worker.jobs
         where key = any($1::text[]) and (attempts < max_attempts or locked_at is not null)`,
}

/** Those of the keys under which a job waits or runs. One that is parked does neither. */
export async function findLivingKeys(
  db: Queryable,
  keys: readonly string[],
): Promise<ReadonlySet<string>> {
  const { rows } = await db.query<{ key: string }>(findKeysStatement, [keys])
  return new Set(rows.map(({ key }) => key))
}

/** For callers that send their own statements in one go, like the ledger's batch. */
export const addJobsStatement = {
  name: 'queue_add_jobs',
  writes: true,
  text: `select count(*) from graphile_worker.add_jobs(array(
    select (name, payload, null, run_at, max_attempts, key, null, null)::graphile_worker.job_spec
    from unnest($1::text[], $2::json[], $3::timestamptz[], $4::smallint[], $5::text[])
      as job(name, payload, run_at, max_attempts, key)))`,
} as const

/** The values for `addJobsStatement`. */
export function addJobsValues(jobs: readonly AnyJob[]): readonly unknown[] {
  return [
    jobs.map(({ name }) => name),
    jobs.map(({ payload }) => JSON.stringify(payload)),
    jobs.map(({ when }) => (when.runAt === undefined ? null : printTime(when.runAt))),
    jobs.map(({ name, when }) => when.maxAttempts ?? attemptsOf[name]),
    jobs.map(({ when }) => when.key ?? null),
  ]
}

type AnyJob = Readonly<{ name: JobName; payload: Jobs[JobName]; when: When }>

async function insertJobs(tx: Queryable, jobs: readonly AnyJob[]): Promise<void> {
  if (jobs.length > 0) await tx.query(addJobsStatement, addJobsValues(jobs))
}
