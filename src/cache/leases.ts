import { LEASE_MS, LEASES_OVER_MS } from './parts.ts'
import type { Clocks, Epoch } from './parts.ts'

/** A reading of both clocks. */
export type Moment = Readonly<{ monotonic: number; wall: number }>

export function momentOf({ monotonic, wall }: Clocks): Moment {
  return { monotonic: monotonic(), wall: wall() }
}

export type Leases = Readonly<{
  /** What the row said to a look that was sent at a moment. */
  take: (epoch: Epoch, sent: Moment) => void
  /** The epoch whose copies may be read now; null for none. */
  current: () => Epoch | null
  /** Whether copies of this epoch may still be read. Asked after Redis has answered. */
  holds: (epoch: Epoch) => boolean
}>

/**
 * The right to answer from copies: as long as the row said `on` to a look that was sent less than
 * half a second ago. Counted from the sending, because the row may have changed since the database
 * read it, and by both clocks: one stands still in a machine that sleeps, the other can be set.
 */
export function createLeases(clocks: Clocks): Leases {
  let latest: Readonly<{ epoch: Epoch; sent: Moment }> | null = null

  function current(): Epoch | null {
    if (latest?.epoch.state !== 'on') return null
    const { monotonic, wall } = momentOf(clocks)
    const ages = [monotonic - latest.sent.monotonic, wall - latest.sent.wall]
    return ages.every((age) => age >= 0 && age < LEASE_MS) ? latest.epoch : null
  }

  return {
    take: (epoch, sent) => {
      if (latest && sent.monotonic < latest.sent.monotonic) return
      latest = { epoch, sent }
    },
    current,
    holds: (epoch) => current()?.tag === epoch.tag,
  }
}

export type Endings = Readonly<{
  /** This process has seen an epoch that is not `on` any more. */
  seen: (tag: string) => void
  /** How long until no lease of it can be valid: null while it was not seen to end. */
  leftMs: (tag: string) => number | null
  /** Waits until no lease of an epoch can be valid that was seen to end now, or before. */
  over: (tag: string) => Promise<void>
}>

/** Epochs are closed minutes apart; more than a few are kept only to be sure. */
const ENDINGS_MAX = 64

/**
 * Since when this process knows that an epoch is over. Counted by its own clock from an answer that
 * showed it: whoever has a lease had asked before. No clock of the database counts: another machine
 * may be the primary in the next second.
 */
export function createEndings(clocks: Clocks): Endings {
  const since = new Map<string, number>()
  function seen(tag: string): void {
    if (since.has(tag)) return
    since.set(tag, clocks.monotonic())
    const [oldest] = since.keys()
    if (since.size > ENDINGS_MAX && oldest !== undefined) since.delete(oldest)
  }

  function leftMs(tag: string): number | null {
    const start = since.get(tag)
    if (start === undefined) return null
    return Math.max(0, LEASES_OVER_MS - (clocks.monotonic() - start))
  }

  return {
    seen,
    leftMs,
    over: async (tag) => {
      seen(tag)
      // Again, because a timer may wake a little early.
      for (let left = leftMs(tag); left !== 0; left = leftMs(tag)) {
        if (left === null) seen(tag)
        else await clocks.sleep(left)
      }
    },
  }
}
