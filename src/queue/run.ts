import { channel } from 'node:diagnostics_channel'
import { EventEmitter } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { run, type Runner, type RunnerOptions, type WorkerEvents } from 'graphile-worker'
import { Pool } from 'pg'
import { within } from '../time.ts'
import type { Handlers, JobName, Jobs } from './jobs.ts'
import { attemptsOf } from './jobs.ts'
import { keepAlive } from './liveness.ts'
import { queueLogger } from './logger.ts'

/** What came of one attempt. `parked` is a failure after which the job is not tried again. */
export type JobOutcome = Readonly<{
  name: string
  jobId: string
  attempt: number
  outcome: 'done' | 'failed' | 'parked'
  error: unknown
}>

/** Publishes a JobOutcome after each attempt. */
const jobChannel = channel('farthing:queue.job')

const POLL_MS = 1_000
const RESTART_FIRST_MS = 200
const RESTART_LONGEST_MS = 5_000
/**
 * Jobs that still run at a stop have this long to finish; then they are given back to the queue.
 */
const DRAIN_MS = 2_500
const LET_GO_MS = 1_000
/** Beside one connection for each job: one to listen, one to spare. */
const SPARE_CONNECTIONS = 2
const CONNECT_TIMEOUT_MS = 5_000

/** Once an hour, and every day at 03:17 and 03:47 UTC. */
const crontab = `
23 * * * * sweep-waiting ?max=${attemptsOf['sweep-waiting']}
17 3 * * * audit ?max=${attemptsOf.audit}
47 3 * * * erase-old-numbers ?max=${attemptsOf['erase-old-numbers']}`

export type RunJobsOptions = Readonly<{
  databaseUrl: string
  handlers: Handlers
  concurrency: number
}>

export type JobRunner = Readonly<{
  /** Takes no new job, lets running ones finish for 2.5 s at most, and closes its connections. */
  stop(): Promise<void>
}>

/**
 * Runs jobs until it is stopped. While the database is away nothing runs; it goes on by itself when
 * the database is back. A job may run again although it succeeded: when that could not be noted.
 */
export function runJobs(options: RunJobsOptions): JobRunner {
  const stopping = new AbortController()
  const liveness = keepAlive(options.databaseUrl)
  const pool = openQueuePool(options)
  let current: Runner | null = null

  async function keepRunning(): Promise<void> {
    for (let failures = 0; !stopping.signal.aborted; failures += 1) {
      try {
        current = await run(runnerOptions(options, pool, liveness.announce))
        failures = 0
        if (stopping.signal.aborted) await drain(current)
        await current.promise
      } catch (error) {
        queueLogger.error(`The queue stopped, and starts again: ${String(error)}`)
      }
      await pause(Math.min(RESTART_FIRST_MS * 2 ** failures, RESTART_LONGEST_MS), stopping.signal)
    }
  }

  const running = keepRunning()

  async function stop(): Promise<void> {
    stopping.abort()
    await within(DRAIN_MS, Promise.all([drain(current), running]))
    await within(LET_GO_MS, letGo(current))
    await within(LET_GO_MS, Promise.all([running, liveness.stop(), pool.end()]))
  }

  let stopped: Promise<void> | null = null
  return { stop: async () => await (stopped ??= stop()) }
}

function runnerOptions(
  { handlers, concurrency }: RunJobsOptions,
  pgPool: Pool,
  announce: (runner: string) => void,
): RunnerOptions {
  const events: WorkerEvents = new EventEmitter()
  events.on('pool:create', ({ workerPool }) => announce(workerPool.id))
  events.on('job:success', ({ job }) => publish('done', job, null))
  events.on('job:error', ({ job, error }) => {
    publish(job.attempts >= job.max_attempts ? 'parked' : 'failed', job, error)
  })
  return {
    pgPool,
    events,
    crontab,
    concurrency,
    pollInterval: POLL_MS,
    logger: queueLogger,
    noHandleSignals: true,
    taskList: taskList(handlers),
    // Without these two, the library does not wait for its note of how a job ended, and a database
    // that is away at that moment ends our process with an unhandled rejection.
    preset: { worker: { completeJobBatchDelay: 0, failJobBatchDelay: 0 } },
  }
}

function taskList(handlers: Handlers) {
  const names = Object.keys(handlers) as JobName[]
  return Object.fromEntries(names.map((name) => [name, taskFor(handlers, name)]))
}

/** Payloads were typed when they were added, and come back as they were stored. */
function taskFor(handlers: Handlers, name: JobName) {
  const handler = handlers[name] as (payload: Jobs[JobName]) => Promise<void>
  return async (payload: unknown) => await handler(payload as Jobs[JobName])
}

type AttemptedJob = Readonly<{ id: string; task_identifier: string; attempts: number }>

function publish(outcome: JobOutcome['outcome'], job: AttemptedJob, error: unknown): void {
  const { id, task_identifier: name, attempts: attempt } = job
  jobChannel.publish({ name, jobId: id, attempt, outcome, error } satisfies JobOutcome)
}

function openQueuePool({ databaseUrl, concurrency }: RunJobsOptions): Pool {
  const pool = new Pool({
    connectionString: databaseUrl,
    application_name: 'farthing queue',
    max: concurrency + SPARE_CONNECTIONS,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    keepAlive: true,
  })
  pool.on('error', (error) => queueLogger.warn(`An idle connection broke: ${error.message}`))
  pool.on('connect', (client) => {
    client.on('error', (error) => queueLogger.warn(`A connection broke: ${error.message}`))
  })
  return withPlainErrors(pool)
}

/**
 * For some error codes of a lost database the library waits up to two minutes, and cannot be
 * stopped meanwhile. Errors without a code it meets by asking again after the poll interval.
 */
function withPlainErrors(pool: Pool): Pool {
  type Done = Parameters<Parameters<Pool['connect']>[0]>
  const connect = pool.connect.bind(pool)
  const plainConnect = (callback?: (...done: Done) => void) => {
    if (!callback) return connect().catch((error: unknown) => Promise.reject(plain(error)))
    connect((error, client, release) => callback(error && plain(error), client, release))
    return undefined
  }
  return Object.assign(pool, { connect: plainConnect })
}

function plain(error: unknown): Error {
  return new Error(error instanceof Error ? error.message : String(error))
}

async function drain(runner: Runner | null): Promise<void> {
  await runner?.stop().catch(reportStop)
}

/** Gives jobs that still run back to the queue. Does nothing when none does. */
async function letGo(runner: Runner | null): Promise<void> {
  await runner?.kill().catch(reportStop)
}

function reportStop(error: unknown): void {
  queueLogger.warn(`The queue did not stop cleanly: ${String(error)}`)
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  // Rejects when it is cut short, which is all that the signal is for.
  await sleep(ms, undefined, { signal }).catch(() => undefined)
}
