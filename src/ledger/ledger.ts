import { channel } from 'node:diagnostics_channel'
import { setTimeout as delay } from 'node:timers/promises'
import { AppError } from '../errors.ts'
import { accountsOf } from './batch.ts'
import { createLane } from './lane.ts'
import type { Lane } from './lane.ts'
import type { Ride } from './passengers.ts'
import type { Verdict } from './post.ts'
import { watchStuck } from './stuck.ts'
import type { Stuck } from './stuck.ts'
import type { LedgerParts, Waiting } from './waiting.ts'

export type Ledger<P, R> = Readonly<{
  /**
   * Posts one movement. The answer comes after the commit that makes it true.
   *
   * @throws AppError `overloaded` when too many wait, or it waited too long: nothing happened.
   * `database_unavailable`: nothing happened. `outcome_unknown`: it may have happened, and a
   * request with the same Idempotency-Key will find out.
   */
  post: (ride: Ride<P>) => Promise<Verdict<R>>
  /** Refuses new movements, finishes those that wait, and gives the connections back. */
  close: () => Promise<void>
}>

/** More than a second of work at full speed; whoever comes then is better off asking again. */
const WAITING_MAX = 8_192
const BATCH_MAX = 1_000
const WAIT_MAX_MS = 5_000
/** How often those who wait are looked through while every lane is busy with what hangs. */
const LATE_LOOK_MS = 500
const CLOSE_PAUSE_MS = 10
/** Who could ride beside a batch waits no longer for it once it has been under way for so long. */
const HELD_UP_MS = 40

type UnderWay = Readonly<{ size: number; since: number; locks: ReadonlySet<string> }>

const waitingChannel = channel('farthing:ledger.waiting')

/**
 * The group commit: whoever waits while a batch commits forms the next one. With no batch under way
 * nobody waits for company, so a single caller waits for one flush, and many share it.
 */
export function createLedger<P, R>(parts: LedgerParts<P, R>, heldUpMs = HELD_UP_MS): Ledger<P, R> {
  let waiting: readonly Waiting<P, R>[] = []
  let arrived: Waiting<P, R>[] = []
  let places = 0
  let closing = false
  let woken = false
  let later: NodeJS.Timeout | null = null
  let lateLook: NodeJS.Timeout | null = null
  const stuck = watchStuck(parts.connect, wakeSoon)
  const reports = { again, stuck: stuck.add, trouble }
  const lanes = Array.from({ length: parts.lanes }, () => createLane(parts, reports))
  let latestTrouble: Readonly<{ error: AppError; at: number }> | null = null
  /**
   * What the batch of each lane has locked: no other lane takes a movement that would wait for it.
   */
  const held = new Map<Lane<P, R>, UnderWay>()

  /** Gives back what was taken and did not happen, each to its place. */
  function again(rides: readonly Waiting<P, R>[]): void {
    waiting = [...rides, ...waiting].sort((one, other) => one.place - other.place)
    if (rides.length > 0) watchLate()
  }

  function trouble(error: AppError): void {
    latestTrouble = { error, at: performance.now() }
  }

  /** Who waited too long is told why: what went wrong meanwhile, or else the crowd. */
  function refuseLate(queue: readonly Waiting<P, R>[]): readonly Waiting<P, R>[] {
    const now = performance.now()
    const failure = latestTrouble
    return queue.filter(({ since, asides, reject }) => {
      if (now - since <= WAIT_MAX_MS) return true
      const known = failure && failure.at > since ? failure.error : null
      reject(known ?? new AppError(asides > 0 ? 'database_unavailable' : 'overloaded'))
      return false
    })
  }

  /** Lanes refuse who is late as they take; when none comes to take, this does. */
  function watchLate(): void {
    lateLook ??= setTimeout(() => {
      lateLook = null
      waiting = refuseLate([...waiting, ...arrived])
      arrived = []
      if (waiting.length > 0) watchLate()
    }, LATE_LOOK_MS)
  }

  /**
   * How long a batch of so many had better wait, in milliseconds, for one under way to end and its
   * lane to take them. A batch costs the same at both ends however few ride in it, so one that runs
   * beside another is as large at least; but for one that has been under way for so long that it is
   * held up.
   */
  function betterWaitMs(size: number): number {
    const now = performance.now()
    let longest = 0
    for (const other of held.values()) {
      if (size > 0 && size < other.size) {
        longest = Math.max(longest, heldUpMs - (now - other.since))
      }
    }
    return longest
  }

  function wakeIn(ms: number): void {
    later ??= setTimeout(() => {
      later = null
      wake()
    }, ms)
  }

  /** Lets the requests of this turn of the event loop gather before a batch leaves. */
  function wakeSoon(): void {
    if (woken) return
    woken = true
    setImmediate(wake)
  }

  function wake(): void {
    woken = false
    if (waiting.length + arrived.length === 0) return
    const idle = lanes.find((lane) => !lane.busy())
    if (idle) idle.drive(() => take(idle))
  }

  function waitOn(queue: readonly Waiting<P, R>[], size: number): readonly Waiting<P, R>[] {
    waiting = queue
    wakeIn(Math.max(1, betterWaitMs(size)))
    return []
  }

  function take(lane: Lane<P, R>): readonly Waiting<P, R>[] {
    held.delete(lane)
    const queue = arrived.length === 0 ? waiting : [...waiting, ...arrived]
    arrived = []
    // Asked twice: most often there are too few, whoever of them may ride.
    if (betterWaitMs(queue.length) > 0) return waitOn(queue, queue.length)
    const inTime = refuseLate(queue)
    const others = [...held.values()].map(({ locks }) => locks)
    const { batch, rest, locks } = assemble(inTime, others, stuck)
    if (betterWaitMs(batch.length) > 0) return waitOn(inTime, batch.length)
    waiting = rest
    if (waitingChannel.hasSubscribers) waitingChannel.publish(waiting.length)
    if (batch.length > 0) {
      held.set(lane, { size: batch.length, since: performance.now(), locks })
      if (rest.length > 0) wakeSoon()
    }
    return batch
  }

  return {
    post: async (ride) => {
      if (closing || waiting.length + arrived.length >= WAITING_MAX) {
        throw new AppError('overloaded')
      }
      return await new Promise((resolve, reject) => {
        arrived.push({
          ride,
          accounts: accountsOf([ride]),
          place: places++,
          since: performance.now(),
          tries: 0,
          asides: 0,
          resolve,
          reject,
        })
        wakeSoon()
        watchLate()
      })
    },
    close: async () => {
      closing = true
      // A lane that has come to rest may be woken again for what another one left.
      while (waiting.length + arrived.length > 0 || lanes.some((lane) => lane.busy())) {
        wake()
        await Promise.all(lanes.map(async (lane) => await lane.idle()))
        // Those that are set aside wait for somebody else, and no lane works meanwhile.
        if (waiting.length > 0) await delay(CLOSE_PAUSE_MS)
      }
      if (later) clearTimeout(later)
      if (lateLook) clearTimeout(lateLook)
      await stuck.close()
      await Promise.all(lanes.map(async (lane) => await lane.close()))
    },
  }
}

/**
 * Takes the next batch in order. Who shares a token with one that is in it, or an account with
 * another lane's batch, is left for later, and so is everybody behind who wants the same account:
 * the movements of an account are decided in the order they came. Who wants a stuck account is left
 * too, but keeps nobody from its other accounts, which would be stuck as well.
 */
function assemble<P, R>(
  queue: readonly Waiting<P, R>[],
  others: readonly ReadonlySet<string>[],
  stuck: Pick<Stuck, 'has'>,
) {
  const batch: Waiting<P, R>[] = []
  const rest: Waiting<P, R>[] = []
  const tokens = new Set<string>()
  const locks = new Set<string>()
  const kept = new Set<string>()
  const isKept = (id: string) => kept.has(id) || others.some((held) => held.has(id))
  for (const [index, one] of queue.entries()) {
    if (batch.length === BATCH_MAX) {
      return { batch, rest: [...rest, ...queue.slice(index)], locks }
    }
    if (one.accounts.some(stuck.has)) {
      rest.push(one)
      continue
    }
    const shares = one.ride.tokens.some((token) => tokens.has(token))
    if (shares || one.accounts.some(isKept) || !goTogether(batch[0] ?? one, one)) {
      rest.push(one)
      for (const account of one.accounts) kept.add(account)
      continue
    }
    batch.push(one)
    for (const token of one.ride.tokens) tokens.add(token)
    for (const account of one.accounts) locks.add(account)
  }
  return { batch, rest, locks }
}

/** Who was set aside for a locked account waits longer for locks, but not in others' company. */
function goTogether<P, R>(one: Waiting<P, R>, other: Waiting<P, R>): boolean {
  return one.asides > 0 === other.asides > 0
}
