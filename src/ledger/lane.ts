import { AssertionError } from 'node:assert/strict'
import { channel } from 'node:diagnostics_channel'
import { setTimeout as delay } from 'node:timers/promises'
import { isRetryable, toAppError } from '../db/errors.ts'
import type { LedgerConnection } from '../db/pool.ts'
import { AppError } from '../errors.ts'
import { accountsOf, writeBatch } from './batch.ts'
import type { Written } from './batch.ts'
import type { LedgerParts, Waiting } from './waiting.ts'
import { hasEntry, lockAccounts } from './store.ts'

/** One batch at a time, on a connection that nobody else uses. */
export type Lane<P, R> = Readonly<{
  busy: () => boolean
  /** Runs batches until `take` has no more. */
  drive: (take: () => readonly Waiting<P, R>[]) => void
  /** Waits until it has no more to do. */
  idle: () => Promise<void>
  /** Waits for the batch under way, and gives the connection back. */
  close: () => Promise<void>
}>

/** A batch that took longer has lost its database, whatever the socket says. */
const BATCH_DEADLINE_MS = 5_000
/** How long to look for the truth after a commit whose answer was lost. */
const RESOLVE_DEADLINE_MS = 4_000
const RESOLVE_PAUSE_MS = 100
const TRIES_MAX = 3

/** What a lane tells the queue that it takes its batches from. */
export type LaneReports<P, R> = Readonly<{
  /** These did not happen: they go back to the head of the queue. */
  again: (rides: readonly Waiting<P, R>[]) => void
  /** The database failed a batch. */
  trouble: (error: AppError) => void
}>

const batchChannel = channel('farthing:ledger.batch')

export function createLane<P, R>(
  parts: LedgerParts<P, R>,
  { again, trouble }: LaneReports<P, R>,
): Lane<P, R> {
  let connection: LedgerConnection | null = null
  let running: Promise<void> | null = null

  async function connected(): Promise<LedgerConnection> {
    if (connection?.usable()) return connection
    connection?.destroy()
    connection = null
    connection = await parts.connect()
    return connection
  }

  /** A connection that saw any error may hold half a transaction: it is never used again. */
  function drop(): void {
    connection?.destroy()
    connection = null
  }

  async function run(batch: readonly Waiting<P, R>[]): Promise<void> {
    const start = performance.now()
    let written: Written<R> | null = null
    try {
      const tx = await connected()
      const rides = batch.map(({ ride }) => ride)
      const work = writeBatch(tx, parts.passengers, rides, parts.clock.now())
      const decided = await inTime(work, BATCH_DEADLINE_MS)
      // Without a mark nothing was written, and however the transaction ends, the answers are true.
      if (decided.mark) written = decided
      const warnings = tx.warnings()
      const end = await inTime(tx.query('commit'), BATCH_DEADLINE_MS)
      if (end.command !== 'COMMIT') {
        written = null
        throw new AppError('database_unavailable', { why: 'the commit was answered by a rollback' })
      }
      // A wait for the standby that was cut short: committed here, and perhaps only here.
      if (tx.warnings() > warnings) rejectAll(batch, new AppError('outcome_unknown'))
      else answer(batch, decided)
      if (batchChannel.hasSubscribers) {
        batchChannel.publish({ size: batch.length, durationMs: performance.now() - start })
      }
    } catch (error) {
      drop()
      if (written) await resolveUnknown(batch, written)
      else await refuseOrRetry(batch, error)
    }
  }

  /**
   * The commit was sent and its answer lost. Its accounts are locked anew, so that whatever the old
   * session was doing has ended; then one entry tells whether all of the batch stands, or nothing.
   */
  async function resolveUnknown(
    batch: readonly Waiting<P, R>[],
    written: Written<R>,
  ): Promise<void> {
    const { mark } = written
    if (!mark)
      throw new AssertionError({ message: 'a batch without entries has no unknown outcome' })
    const end = performance.now() + RESOLVE_DEADLINE_MS
    for (let left = RESOLVE_DEADLINE_MS; left > 0; left = end - performance.now()) {
      try {
        const tx = await connected()
        await inTime(tx.query('begin'), left)
        await inTime(lockAccounts(tx, accountsOf(batch.map(({ ride }) => ride))), left)
        const stands = await inTime(hasEntry(tx, mark), left)
        await inTime(tx.query('rollback'), left)
        if (stands) answer(batch, written)
        else retry(batch, new AppError('database_unavailable'))
        return
      } catch (error) {
        drop()
        if (!(toAppError(error) instanceof AppError) && !isRetryable(error)) {
          rejectAll(batch, error)
          return
        }
        await delay(RESOLVE_PAUSE_MS)
      }
    }
    trouble(new AppError('database_unavailable'))
    rejectAll(batch, new AppError('outcome_unknown'))
  }

  /** Nothing of the batch happened. */
  async function refuseOrRetry(batch: readonly Waiting<P, R>[], error: unknown): Promise<void> {
    if (error instanceof AssertionError) {
      rejectAll(batch, error)
      // The books and this process disagree: stop before it does harm. It starts anew from the
      // books.
      setImmediate(() => {
        throw error
      })
      return
    }
    const known = toAppError(error)
    if (isRetryable(error)) retry(batch, new AppError('database_unavailable', {}, { cause: error }))
    else if (known instanceof AppError && known.code === 'database_unavailable') retry(batch, known)
    else if (known instanceof AppError || batch.length === 1) rejectAll(batch, known)
    // One of them upsets the database: each alone, so that it disturbs no neighbour.
    else for (const one of batch) await run([one])
  }

  function retry(batch: readonly Waiting<P, R>[], error: AppError): void {
    for (const one of batch) one.tries++
    trouble(error)
    rejectAll(
      batch.filter(({ tries }) => tries >= TRIES_MAX),
      error,
    )
    again(batch.filter(({ tries }) => tries < TRIES_MAX))
  }

  return {
    busy: () => running !== null,
    drive: (take) => {
      const work = async () => {
        for (let next = take(); next.length > 0; next = take()) await run(next)
      }
      // Not inside the work: where there is none, that would end before `running` has its value.
      running = work().finally(() => {
        running = null
      })
    },
    idle: async () => {
      await running
    },
    close: async () => {
      await running
      await connection?.close()
      connection = null
    },
  }
}

function answer<P, R>(batch: readonly Waiting<P, R>[], written: Written<R>): void {
  for (const [index, one] of batch.entries()) {
    const verdict = written.verdicts[index]
    if (verdict) one.resolve(verdict)
    else one.reject(new AssertionError({ message: 'a movement without a verdict' }))
  }
}

function rejectAll<P, R>(batch: readonly Waiting<P, R>[], error: unknown): void {
  for (const one of batch) one.reject(error)
}

/** Stops waiting after a while. What it waited for may still come, and is not heard any more. */
async function inTime<T>(work: Promise<T>, ms: number): Promise<T> {
  return await new Promise<T>((resolve, reject) => {
    const late = setTimeout(() => {
      reject(new AppError('database_unavailable', { why: 'no answer in time' }))
    }, ms)
    work.then(resolve, reject).finally(() => clearTimeout(late))
  })
}
