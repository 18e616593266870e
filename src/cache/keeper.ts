import { randomUUID } from 'node:crypto'
import { channel } from 'node:diagnostics_channel'
import { momentOf } from './leases.ts'
import type { Endings, Leases } from './leases.ts'
import type { Copies, Epoch, EpochTable, SteadyClock } from './parts.ts'

/** Publishes `{ state, number, why }` of each turn that this process saw, or made. */
const epochChannel = channel('farthing:cache.epoch')
/** Publishes `{ message, error? }`. */
const troubleChannel = channel('farthing:cache.trouble')

/** Between two looks at the row: several fit into a lease, so that one that is slow costs none. */
export const POLL_MS = 100
/** How long Redis may be another one than the epoch's before the epoch is closed for it. */
const ELSEWHERE_MS = 1_000
/** An epoch that is as old, or has as many floors, gives way to a new one, to free the memory. */
export const EPOCH_MAX_MS = 3_600_000
export const FLOORS_MAX = 1_000_000
/** How long it stays off at least. Doubled after an epoch that was short, up to a minute. */
const usualPace: Pace = { offMinMs: 2_000, offMaxMs: 60_000 }
const SHORT_MS = 60_000
const RENEWAL_OFF_MS = 200

export type Pace = Readonly<{ offMinMs: number; offMaxMs: number }>

export type KeeperParts = Readonly<{
  table: EpochTable
  copies: Copies
  leases: Leases
  endings: Endings
  clock: SteadyClock
  /** From 0 to 1: servers had better not all open at once. */
  chance: () => number
  /** How soon an epoch follows another one: faster in tests that end many. */
  pace?: Pace
}>

export type Keeper = Readonly<{
  /** One look at the row, and what follows from it. Never throws. */
  tick: () => Promise<void>
  /** An epoch's keys were found not to be whole. */
  lost: (tag: string) => void
  counted: (tag: string, floors: number) => void
}>

/** Looks at the row for this process, and opens and closes epochs as Redis comes and goes. */
export function createKeeper(parts: KeeperParts): Keeper {
  const { table, copies, leases, endings, clock, pace = usualPace } = parts
  let shown: Epoch | null = null
  let shownSince = 0
  let offMs = pace.offMinMs
  let opensAt = 0
  /** Tries to open an epoch since the row stands as it does. */
  let tries = 0
  let elsewhereSince: number | null = null
  let wanted: Readonly<{ tag: string; why: string }> | null = null

  /** Since when the row stands as it does, and how long it is to stay off. */
  function watch(epoch: Epoch): void {
    if (shown?.tag === epoch.tag && shown.state === epoch.state) return
    const now = clock.monotonic()
    if (shown?.state === 'on' && shown.tag === epoch.tag) {
      const lived = now - shownSince
      if (lived >= EPOCH_MAX_MS) offMs = RENEWAL_OFF_MS
      else
        offMs =
          lived < SHORT_MS
            ? Math.min(pace.offMaxMs, Math.max(pace.offMinMs, offMs * 2))
            : pace.offMinMs
    }
    epochChannel.publish({ state: epoch.state, number: epoch.number, why: epoch.why })
    shown = epoch
    shownSince = now
    tries = 0
    restFrom(now)
  }

  /** Writers wait while somebody tries to open: a try that fails is followed by a longer rest. */
  function restFrom(now: number): void {
    const restMs = Math.min(pace.offMaxMs, offMs * 2 ** tries)
    opensAt = now + restMs * (1 + parts.chance() / 2)
  }

  function reasonToClose(epoch: Epoch): string | null {
    if (wanted?.tag === epoch.tag) return wanted.why
    const now = clock.monotonic()
    if (now - shownSince >= EPOCH_MAX_MS) return 'it was old'
    const reign = copies.reign()
    if (reign === null || reign === epoch.reign) {
      elsewhereSince = null
      return null
    }
    elsewhereSince ??= now
    return now - elsewhereSince >= ELSEWHERE_MS ? 'Redis is another one, or began anew' : null
  }

  async function open(before: Epoch): Promise<void> {
    const reign = copies.reign()
    if (reign === null) return
    const now = clock.monotonic()
    if (now < opensAt) return
    tries += 1
    restFrom(now)
    const tag = `${before.number + 1n}-${randomUUID()}`
    await copies.plant({ tag, reign })
    if (!(await table.open(before, { tag, reign }))) return
    void sweep({ number: before.number + 1n, tag })
  }

  /** Beside the looks at the row, which go on. */
  async function sweep(current: Pick<Epoch, 'number' | 'tag'>): Promise<void> {
    try {
      await copies.sweep(current)
    } catch (error) {
      troubleChannel.publish({ message: 'old epochs could not be swept away', error })
    }
  }

  async function follow(epoch: Epoch): Promise<void> {
    if (epoch.state === 'off') return await open(epoch)
    if (epoch.state === 'closing') {
      endings.seen(epoch.tag)
      if (endings.leftMs(epoch.tag) === 0) await table.settle(epoch.tag)
      return
    }
    const why = reasonToClose(epoch)
    if (why === null) return
    await table.close(epoch.tag, why)
    endings.seen(epoch.tag)
  }

  return {
    tick: async () => {
      try {
        // Before the look leaves: a clock that is asked behind it would make the lease too long.
        const sent = await momentOf(clock, copies)
        const epoch = await table.read()
        leases.take(epoch, sent)
        watch(epoch)
        await follow(epoch)
      } catch (error) {
        troubleChannel.publish({ message: 'the epoch could not be looked at', error })
      }
    },
    lost: (tag) => {
      wanted = { tag, why: 'its keys in Redis were lost' }
    },
    counted: (tag, floors) => {
      if (floors >= FLOORS_MAX) wanted = { tag, why: 'it had many floors' }
    },
  }
}
