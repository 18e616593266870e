import type { Queryable, Statement } from '../db/query.ts'
import type { Micros } from '../time.ts'

/**
 * `waiting` for its time or a place, `failed` and waiting for the next attempt, `running`, or
 * `parked`: without an attempt left, until an operator gives it new ones.
 */
export const jobStates = ['parked', 'failed', 'running', 'waiting'] as const
export type JobState = (typeof jobStates)[number]

/** What operators see of a job. Payloads are not read: some hold what nobody else should. */
export type JobView = Readonly<{
  jobId: string
  name: string
  state: JobState
  /** What it is about, where it has a key: `settle:` and the transaction's id, say. */
  key: string | null
  attempts: number
  maxAttempts: number
  /** It runs no sooner. */
  runAt: Micros
  /** When it was added, began to run, or failed last. */
  since: Micros
  /** Why it failed last. */
  reason: string | null
}>

const state = `case when locked_at is not null then 'running'
  when attempts >= max_attempts then 'parked'
  when attempts > 0 then 'failed'
  else 'waiting' end`

const countStatement = {
  name: 'queue_count_jobs',
  text: `select ${state} as state, count(*)::int as count from graphile_worker.jobs group by 1`,
}

export async function countJobs(db: Queryable): Promise<Readonly<Record<JobState, number>>> {
  const { rows } = await db.query<{ state: JobState; count: number }>(countStatement)
  const counts = new Map(rows.map(({ state, count }) => [state, count]))
  const all = jobStates.map((state) => [state, counts.get(state) ?? 0])
  return Object.fromEntries(all) as Record<JobState, number>
}

/** The parked ones that parked last come first, else who is next. */
const order = `case when attempts >= max_attempts then -extract(epoch from updated_at)
  else extract(epoch from run_at) end, id`

const readStatement = {
  name: 'queue_read_jobs',
  text: `select "jobId", name, state, key, attempts, "maxAttempts", "runAt", since, reason
         from (
           select id::text as "jobId", task_identifier as name, ${state} as state, key, attempts,
                  max_attempts as "maxAttempts", run_at as "runAt",
                  coalesce(locked_at, updated_at) as since, last_error as reason,
                  row_number() over (partition by ${state} order by ${order}) as place
           from graphile_worker.jobs
         ) job
         where place <= $1 order by state, place`,
}

/** So many jobs of each state. */
export async function readJobs(db: Queryable, ofEach: number): Promise<readonly JobView[]> {
  const { rows } = await db.query<JobView>(readStatement, [ofEach])
  return rows
}

/**
 * New attempts for what is parked, and the next one now for what failed; by one statement of the
 * library, which leaves alone what runs.
 */
const retryStatement: Statement = {
  name: 'queue_retry_jobs',
  writes: true,
  text: `select job.id::text as "jobId" from graphile_worker.reschedule_jobs(
           array(select id from graphile_worker.jobs
                 where (id = $1 or $1 is null) and (task_identifier = $2 or $2 is null)
                   and locked_at is null and (attempts >= max_attempts or id = $1) and id > $3
                 order by id limit $4),
           run_at => now(), attempts => 0) job`,
}

/** Which jobs: one by its id, also when it is not parked yet; or all parked ones, of a name. */
export type Retry = Readonly<{ jobId: string | null; name: string | null }>

const NO_JOB = '0'

/**
 * Has jobs tried again from the first attempt on, right away. Safe, because each job may run again,
 * whatever became of it. So many together, each once: one may be parked again before the last is.
 *
 * @param onMore Hears how many there were so far.
 * @returns how many there were.
 */
export async function retryJobs(
  db: Queryable,
  { jobId, name }: Retry,
  together: number,
  onMore: (count: number) => void,
): Promise<number> {
  let last = NO_JOB
  for (let count = 0; ; onMore(count)) {
    const { rows } = await db.query<{ jobId: string }>(retryStatement, [
      jobId,
      name,
      last,
      together,
    ])
    count += rows.length
    if (rows.length < together) return count
    last = rows.map((row) => row.jobId).reduce((a, b) => (BigInt(a) > BigInt(b) ? a : b))
  }
}

const findStatement = {
  name: 'queue_find_job',
  text: `select ${state} as state from graphile_worker.jobs where id = $1`,
}

/** Null when there is none, any more. */
export async function findJobState(db: Queryable, jobId: string): Promise<JobState | null> {
  const { rows } = await db.query<{ state: JobState }>(findStatement, [jobId])
  return rows[0]?.state ?? null
}
