import { channel } from 'node:diagnostics_channel'
import { EventEmitter, once } from 'node:events'
import {
  run as startRunner,
  type Runner,
  type RunnerOptions,
  type WorkerEvents,
} from 'graphile-worker'
import type { Pool } from 'pg'
import { pause, within } from '../time.ts'
import { openConnections } from './connections.ts'
import { taskList } from './attempt.ts'
import type { JobTimeouts, RunJob } from './jobs.ts'
import { attemptsOf } from './jobs.ts'
import { openLease } from './lease.ts'
import { queueLogger } from './logger.ts'
import { openShown, type Shown } from './shown.ts'

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
/** A runner that ran for so long has not failed to start: longer than any answer is waited for. */
const STEADY_MS = 30_000
/** Jobs that still run when a runner ends have this long to finish; then they are anybody's. */
const DRAIN_MS = 2_500
/** A stop does not wait for a runner that is only being started. */
const STOP_MS = DRAIN_MS + 1_000
/** Beside one connection for each job: one to listen, one to spare. */
const SPARE_CONNECTIONS = 2

/**
 * Every ten minutes, where late means never: the next one comes. Hourly, and daily at 03:17 and
 * 03:47 UTC, up to two hours late, but not left out.
 */
const crontab = `
*/10 * * * * erase-auth ?max=${attemptsOf['erase-auth']}
23 * * * * sweep-waiting ?fill=2h&max=${attemptsOf['sweep-waiting']}
17 3 * * * audit ?fill=2h&max=${attemptsOf.audit}
47 3 * * * erase-old-numbers ?fill=2h&max=${attemptsOf['erase-old-numbers']}`

export type RunJobsOptions = Readonly<{
  databaseUrl: string
  run: RunJob
  concurrency: number
  /** An attempt that takes longer has failed, whatever comes of it later. */
  timeouts: JobTimeouts
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

  async function keepRunning(): Promise<void> {
    let failures = 0
    while (!stopping.signal.aborted) {
      let started = Number.POSITIVE_INFINITY
      try {
        await runUntilTrouble(options, stopping.signal, () => (started = performance.now()))
      } catch (error) {
        if (stopping.signal.aborted) return
        queueLogger.error(`The queue stopped, and starts again: ${String(error)}`)
      }
      failures = performance.now() - started > STEADY_MS ? 0 : failures + 1
      await pause(Math.min(RESTART_FIRST_MS * 2 ** failures, RESTART_LONGEST_MS), stopping.signal)
    }
  }

  const running = keepRunning()
  return {
    stop: async () => {
      stopping.abort()
      await within(STOP_MS, running)
    },
  }
}

/**
 * One runner, with connections of its own. The first answer that it does not hear is its end: a job
 * may have been given to it without its knowing. The next one has another name, and what was this
 * one's is free.
 *
 * @throws What the trouble was. It has none when `stopping` ends it.
 */
async function runUntilTrouble(
  options: RunJobsOptions,
  stopping: AbortSignal,
  onStarted: () => void,
): Promise<void> {
  const trouble = new AbortController()
  const end = (error: unknown): void => trouble.abort(error)
  const either = AbortSignal.any([stopping, trouble.signal])
  const lease = await openLease(options.databaseUrl, end)
  const most = options.concurrency + SPARE_CONNECTIONS
  const connections = openConnections(options.databaseUrl, most)
  const ended = new AbortController()
  let runner: Runner | null = null
  try {
    if (!either.aborted) {
      const shown = await openShown(connections.db, ended.signal)
      const { pool } = connections
      runner = await startRunner(runnerOptions(options, pool, shown, lease.hold, end))
      runner.promise.then(() => end(new Error('the runner ended by itself')), end)
      onStarted()
    }
    if (!either.aborted) await once(either, 'abort')
  } finally {
    await within(DRAIN_MS, drain(runner))
    ended.abort()
    await Promise.all([lease.release(stopping.aborted), connections.close()])
  }
  if (!stopping.aborted) throw trouble.signal.reason
}

function runnerOptions(
  { run, timeouts, concurrency }: RunJobsOptions,
  pgPool: Pool,
  shown: Shown,
  hold: (runner: string) => Promise<void>,
  onTrouble: (error: unknown) => void,
): RunnerOptions {
  const events: WorkerEvents = new EventEmitter()
  let held: Promise<void> | null = null
  events.on('pool:create', ({ workerPool }) => {
    held = hold(workerPool.id)
  })
  events.on('worker:getJob:error', ({ error }) => onTrouble(error))
  events.on('pool:fatalError', ({ error }) => onTrouble(error))
  events.on('pool:gracefulShutdown', ({ message }) => onTrouble(new Error(message)))
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
    taskList: taskList(run, shown, timeouts),
    // Without these two, the library does not wait for its note of how a job ended, and a database
    // that is away at that moment ends our process with an unhandled rejection.
    preset: {
      worker: { completeJobBatchDelay: 0, failJobBatchDelay: 0 },
      plugins: [firstAskAfter(async () => await held)],
    },
  }
}

/** No job is asked for before the runner's lock is held, nor when it was stopped meanwhile. */
function firstAskAfter(held: () => Promise<unknown>): GraphileConfig.Plugin {
  const startWorker = async (): Promise<void> => {
    await held()
  }
  return { name: 'farthing-lease', version: '1.0.0', worker: { hooks: { startWorker } } }
}

type AttemptedJob = Readonly<{ id: string; task_identifier: string; attempts: number }>

function publish(outcome: JobOutcome['outcome'], job: AttemptedJob, error: unknown): void {
  const { id, task_identifier: name, attempts: attempt } = job
  jobChannel.publish({ name, jobId: id, attempt, outcome, error } satisfies JobOutcome)
}

/**
 * Takes no new job, and waits for those that run, also when the runner has begun to end by itself.
 * What goes wrong with it, the library tells its logger.
 */
async function drain(runner: Runner | null): Promise<void> {
  await Promise.allSettled([runner?.stop(), runner?.promise])
}
