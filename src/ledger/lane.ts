import { AssertionError } from 'node:assert/strict'
import { channel } from 'node:diagnostics_channel'
import { setTimeout as delay } from 'node:timers/promises'
import { isLockTimeout, toAppError } from '../db/errors.ts'
import { FenceDown } from '../db/fence.ts'
import { AppError } from '../errors.ts'
import type { AccountId } from './account.ts'
import { AccountsLocked, accountsOf, writeBatch } from './batch.ts'
import type { Written } from './batch.ts'
import { commitBatch, disagreementIn } from './commit.ts'
import { inTime, ownConnection } from './connection.ts'
import { findOut } from './resolve.ts'
import { lockedElsewhere } from './store.ts'
import type { LedgerParts, Waiting } from './waiting.ts'

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
/**
 * How long a whole batch waits for an account that someone else has locked. Servers that want the
 * same accounts wait for each other's batches, some hundredths of a second; what takes longer is
 * somebody who forgot to let go.
 */
const LOCK_PATIENCE_MS = 500
/**
 * Of a batch that one ride upsets, so long for each part of it, and so long in all: what else is
 * locked, a table perhaps, is nobody's fault, and would hold up part after part.
 */
const PART_PATIENCE_MS = 100
const BLAME_MS = 2_000
const TRIES_MAX = 3
/** What broke one connection breaks those of other lanes, which hear of it a moment later. */
const TRY_AGAIN_MS = 50

/** What a lane tells the queue that it takes its batches from. */
export type LaneReports<P, R> = Readonly<{
  /** These did not happen: they go back to their place in the queue. */
  again: (rides: readonly Waiting<P, R>[]) => void
  /** Others have these accounts locked: whoever wants one waits until it is free. */
  stuck: (accounts: readonly AccountId[]) => void
  /** The database failed a batch. */
  trouble: (error: AppError) => void
}>

/** False when some of a batch went back to the queue: whoever came behind them must not run now. */
type Done = boolean

const batchChannel = channel('farthing:ledger.batch')

export function createLane<P, R>(
  parts: LedgerParts<P, R>,
  { again, stuck, trouble }: LaneReports<P, R>,
): Lane<P, R> {
  const own = ownConnection(parts.connect)
  let running: Promise<void> | null = null

  /** @param blameUntil Of a part of a batch: how long to look for the one that upsets it. */
  async function run(batch: readonly Waiting<P, R>[], blameUntil?: number): Promise<Done> {
    const start = performance.now()
    let written: Written<R>
    let end
    try {
      const tx = await inTime(own.get(), BATCH_DEADLINE_MS)
      const left = BATCH_DEADLINE_MS - (performance.now() - start)
      const rides = batch.map(({ ride }) => ride)
      const now = parts.clock.now()
      const lockMs = blameUntil === undefined ? patience(batch) : PART_PATIENCE_MS
      const writing = writeBatch(tx, parts, rides, now, lockMs)
      written = await inTime(writing, left)
      end = await commitBatch(tx, written.writes, BATCH_DEADLINE_MS)
    } catch (error) {
      own.drop()
      return await notHappened(batch, error, blameUntil)
    }
    if (end === 'unknown') {
      own.drop()
      return await resolveUnknown(batch, written)
    }
    if (end === 'committed') answer(batch, written)
    else rejectAll(batch, new AppError('outcome_unknown'))
    if (batchChannel.hasSubscribers) {
      batchChannel.publish({ size: batch.length, durationMs: performance.now() - start })
    }
    return true
  }

  async function resolveUnknown(
    batch: readonly Waiting<P, R>[],
    written: Written<R>,
  ): Promise<Done> {
    const unavailable = new AppError('database_unavailable')
    trouble(unavailable)
    // Nothing was written, so nothing can have happened.
    if (!written.mark) return await retry(batch, unavailable)
    try {
      const stands = await findOut(own, accountsOf(batch.map(({ ride }) => ride)), written.mark)
      if (stands === false) return await retry(batch, unavailable)
      if (stands) {
        answer(batch, written)
        return true
      }
      rejectAll(batch, new AppError('outcome_unknown'))
    } catch (error) {
      rejectAll(batch, error)
    }
    return true
  }

  async function notHappened(
    batch: readonly Waiting<P, R>[],
    error: unknown,
    blameUntil: number = performance.now() + BLAME_MS,
  ): Promise<Done> {
    const disagreement = error instanceof AssertionError ? error : disagreementIn(error)
    if (disagreement) {
      rejectAll(batch, disagreement)
      // The books and this process disagree: stop before it does harm. It starts anew from the
      // books.
      setImmediate(() => {
        throw disagreement
      })
      return true
    }
    if (error instanceof AccountsLocked) return await withoutStuck(batch)
    if (error instanceof FenceDown) return await behindFence(batch, error)
    const known = toAppError(error)
    // One alone is to blame for a row of its passenger that is locked, and for what is no AppError.
    if (isLockTimeout(known) || !(known instanceof AppError)) {
      const mayLook = batch.length > 1 && performance.now() < blameUntil
      if (mayLook) return await inHalves(batch, blameUntil)
    } else if (known.code === 'database_unavailable') return await retry(batch, known)
    rejectAll(batch, known)
    return true
  }

  /** Nothing happened, and nobody is to blame: they go on as soon as they may. */
  async function behindFence(batch: readonly Waiting<P, R>[], down: FenceDown): Promise<Done> {
    try {
      await inTime(down.recovered(), BATCH_DEADLINE_MS)
    } catch (error) {
      return await retry(batch, new AppError('database_unavailable', {}, { cause: error }))
    }
    again(batch)
    return false
  }

  /** One of them upsets the database: found by halves, it disturbs its neighbours no longer. */
  async function inHalves(batch: readonly Waiting<P, R>[], blameUntil: number): Promise<Done> {
    const middle = Math.ceil(batch.length / 2)
    const tail = batch.slice(middle)
    if (await run(batch.slice(0, middle), blameUntil)) return await run(tail, blameUntil)
    again(tail)
    return false
  }

  /** Sets aside whoever wants an account that someone else has locked, and runs the others. */
  async function withoutStuck(batch: readonly Waiting<P, R>[]): Promise<Done> {
    const all = accountsOf(batch.map(({ ride }) => ride))
    let locked: ReadonlySet<AccountId>
    try {
      const tx = await inTime(own.get(), BATCH_DEADLINE_MS)
      locked = new Set(await inTime(lockedElsewhere(tx, all), BATCH_DEADLINE_MS))
    } catch (error) {
      own.drop()
      return await retry(batch, new AppError('database_unavailable', {}, { cause: error }))
    }
    const wantsLocked = ({ accounts }: Waiting<P, R>) => accounts.some((id) => locked.has(id))
    const { aside = [], rest = [] } = Object.groupBy(batch, (one) =>
      // When all are free by now, nobody knows whose it was: all of them try again.
      locked.size === 0 || wantsLocked(one) ? 'aside' : 'rest',
    )
    for (const one of aside) one.asides++
    stuck([...locked])
    again(aside)
    if (rest.length > 0) await run(rest)
    return false
  }

  async function retry(batch: readonly Waiting<P, R>[], error: AppError): Promise<Done> {
    for (const one of batch) one.tries++
    trouble(error)
    rejectAll(
      batch.filter(({ tries }) => tries >= TRIES_MAX),
      error,
    )
    await delay(TRY_AGAIN_MS)
    again(batch.filter(({ tries }) => tries < TRIES_MAX))
    return false
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
      await own.close()
    },
  }
}

/**
 * Twice as long for whoever was set aside before: its account has been free since, so it is many
 * that want it, and not one that keeps it.
 */
function patience<P, R>(batch: readonly Waiting<P, R>[]): number {
  return LOCK_PATIENCE_MS * 2 ** Math.max(...batch.map(({ asides }) => asides))
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
