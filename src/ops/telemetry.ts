import type { Logger } from 'pino'
import {
  AggregatorRegistry,
  collectDefaultMetrics,
  Counter,
  Gauge,
  Histogram,
  Registry,
} from 'prom-client'
import type { MetricObject } from 'prom-client'
import { gaugeAdmission } from './admission-telemetry.ts'
import type { AdmissionCounts } from './admission-telemetry.ts'
import { listenToCache } from './cache-telemetry.ts'
import { listen } from './listen.ts'

/** Connections of a pool, as they are at this moment. */
export type PoolCounts = Readonly<{ total: number; idle: number; waiting: number }>

/** Processes of a start, by what they do and how they stand. */
export type ProcessCounts = readonly Readonly<{ role: string; state: string; count: number }>[]

export type TelemetryParts = Readonly<{
  log: Logger
  poolCounts?: () => PoolCounts
  admissionCounts?: () => AdmissionCounts
  processCounts?: () => ProcessCounts
  /** Where jobs run: all of them, so that each can be seen before it was first tried. */
  jobNames?: readonly string[]
}>

/** What one process has counted, in the form in which it goes to another one. */
export type Snapshot = readonly MetricObject[]

/** For Prometheus. */
export type MetricsText = Readonly<{ type: string; text: string }>

export type Telemetry = Readonly<{
  /** In Prometheus' text format, with the content type that goes with it. */
  metrics: () => Promise<MetricsText>
  snapshot: () => Promise<Snapshot>
  stop: () => void
}>

/** What the channels carry. The rooms publish and do not know who listens. */
type Answered = Readonly<{ method: string; route: string; status: number; milliseconds: number }>
type Batch = Readonly<{ size: number; durationMs: number }>
type Job = Readonly<{
  name: string
  jobId: string
  attempt: number
  outcome: string
  error: unknown
}>
type CommitsLook = Readonly<{ waiting: number; finished: number; away: number }>
type DatabaseEvent = Readonly<{ event: string; error?: unknown }>
type AccessTrouble = Readonly<{ message: string }>
type AuthTrouble = Readonly<{ message: string; error: unknown }>
type QueueTrouble = Readonly<{ level: string; message: string }>

const latencySeconds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]
const batchSizes = [1, 2, 5, 10, 20, 50, 100, 200, 500]

/** Listens to the channels of the house: makes metrics of them, and log lines of trouble. */
export function createTelemetry(parts: TelemetryParts): Telemetry {
  const { log, poolCounts, admissionCounts, processCounts, jobNames = [] } = parts
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  if (poolCounts) gaugePool(registry, poolCounts)
  if (admissionCounts) gaugeAdmission(registry, admissionCounts)
  if (processCounts) gaugeProcesses(registry, processCounts)
  const listeners = [
    listen('farthing:http.answered', countAnswers(registry)),
    listen('farthing:ledger.batch', countBatches(registry)),
    listen('farthing:ledger.waiting', gaugeWaiting(registry)),
    listen('farthing:queue.job', countJobs(registry, log, jobNames)),
    listen('farthing:queue.jobs', gaugeJobs(registry)),
    listen('farthing:queue.trouble', ({ message }: QueueTrouble) => {
      log.warn({ message }, 'queue')
    }),
    listen('farthing:access.trouble', ({ message }: AccessTrouble) => {
      log.warn({ message }, 'access')
    }),
    listen('farthing:auth.trouble', ({ message, error }: AuthTrouble) => {
      log.warn({ message, err: error }, 'auth')
    }),
    ...listenToCache(registry, log),
    listen('farthing:database.event', countDatabaseEvents(registry, log)),
    listen('farthing:database.commits', countCommits(registry, log)),
  ]
  return {
    metrics: async () => ({ type: registry.contentType, text: await registry.metrics() }),
    snapshot: async () => await registry.getMetricsAsJSON(),
    stop: () => {
      for (const stop of listeners) stop()
    },
  }
}

/** Of several processes, what they make together. */
export async function mergeSnapshots(snapshots: readonly Snapshot[]): Promise<MetricsText> {
  const registry = AggregatorRegistry.aggregate(snapshots as never)
  return { type: registry.contentType, text: await registry.metrics() }
}

function countAnswers(registry: Registry): (event: Answered) => void {
  const seconds = new Histogram({
    name: 'farthing_http_request_seconds',
    help: 'From the head of a request to the end of its answer',
    labelNames: ['method', 'route', 'status'],
    buckets: latencySeconds,
    registers: [registry],
  })
  return ({ method, route, status, milliseconds }) => {
    seconds.observe({ method, route, status }, milliseconds / 1_000)
  }
}

function countBatches(registry: Registry): (event: Batch) => void {
  const registers = [registry]
  const size = new Histogram({
    name: 'farthing_ledger_batch_size',
    help: 'Movements that were committed together',
    buckets: batchSizes,
    registers,
  })
  const seconds = new Histogram({
    name: 'farthing_ledger_batch_seconds',
    help: 'From the locks of a batch to its commit',
    buckets: latencySeconds,
    registers,
  })
  return (event) => {
    size.observe(event.size)
    seconds.observe(event.durationMs / 1_000)
  }
}

function gaugeWaiting(registry: Registry): (waiting: number) => void {
  const waiting = new Gauge({
    name: 'farthing_ledger_waiting',
    help: 'Movements that wait for the next batch',
    registers: [registry],
  })
  return (count) => waiting.set(count)
}

const jobOutcomes = ['done', 'failed', 'parked']

function countJobs(
  registry: Registry,
  log: Logger,
  names: readonly string[],
): (event: Job) => void {
  const jobs = new Counter({
    name: 'farthing_jobs_total',
    help: 'Attempts at jobs, by what came of them; parked ones wait for an operator',
    labelNames: ['name', 'outcome'],
    registers: [registry],
  })
  // Prometheus sees no increase in what begins at 1.
  for (const name of names) for (const outcome of jobOutcomes) jobs.inc({ name, outcome }, 0)
  return ({ name, jobId, attempt, outcome, error }) => {
    jobs.inc({ name, outcome })
    if (outcome === 'failed') log.warn({ job: name, jobId, attempt, err: error }, 'a job failed')
    if (outcome === 'parked')
      log.error({ job: name, jobId, attempt, err: error }, 'a job is parked')
  }
}

function gaugeJobs(registry: Registry): (counts: Readonly<Record<string, number>>) => void {
  const jobs = new Gauge({
    name: 'farthing_jobs',
    help: 'Jobs in the queue, by state, as they were within the last 15 s',
    labelNames: ['state'],
    registers: [registry],
  })
  return (counts) => {
    for (const [state, count] of Object.entries(counts)) jobs.set({ state }, count)
  }
}

function countDatabaseEvents(registry: Registry, log: Logger): (event: DatabaseEvent) => void {
  const events = new Counter({
    name: 'farthing_database_events_total',
    help: 'Connections lost, restarts, and the like',
    labelNames: ['event'],
    registers: [registry],
  })
  return ({ event, error }) => {
    events.inc({ event })
    log.warn({ event, err: error }, 'database')
  }
}

function gaugeProcesses(registry: Registry, processCounts: () => ProcessCounts): void {
  const processes = new Gauge({
    name: 'farthing_processes',
    help: 'Processes of this start, by what they do and how they stand',
    labelNames: ['role', 'state'],
    registers: [registry],
    collect: () => {
      processes.reset()
      for (const { role, state, count } of processCounts()) processes.set({ role, state }, count)
    },
  })
}

/** What a crash left between the two phases of a commit, on a Citus cluster. */
function countCommits(registry: Registry, log: Logger): (look: CommitsLook) => void {
  const registers = [registry]
  const unfinished = new Gauge({
    name: 'farthing_commits_unfinished',
    help: 'Parts of commits that a Citus worker has prepared, and nobody finished within 2 s',
    registers,
  })
  const finished = new Counter({
    name: 'farthing_commits_finished_total',
    help: 'Parts of commits that were left unfinished, and that this process finished',
    registers,
  })
  const workers = new Gauge({
    name: 'farthing_citus_workers_away',
    help: 'Workers of Citus that did not answer the latest look',
    registers,
  })
  return (look) => {
    unfinished.set(look.waiting - look.finished)
    finished.inc(look.finished)
    workers.set(look.away)
    if (look.waiting > 0 || look.away > 0) log.warn(look, 'commits left between their two phases')
  }
}

function gaugePool(registry: Registry, poolCounts: () => PoolCounts): void {
  const connections = new Gauge({
    name: 'farthing_pool_connections',
    help: 'Connections of the pool by state, and callers that wait for one',
    labelNames: ['state'],
    registers: [registry],
    collect: () => {
      const { total, idle, waiting } = poolCounts()
      connections.set({ state: 'busy' }, total - idle)
      connections.set({ state: 'idle' }, idle)
      connections.set({ state: 'waited_for' }, waiting)
    },
  })
}
