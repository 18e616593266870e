import { LEASE_MS, LEASES_OVER_MS } from './parts.ts'
import type { Copies, Epoch, Leased, Place, Reading, SteadyClock } from './parts.ts'

/** A reading of both clocks: Redis' is null when it does not tell. */
export type Moment = Readonly<{ monotonic: number; redis: Reading | null }>

export async function momentOf(clock: SteadyClock, copies: Pick<Copies, 'now'>): Promise<Moment> {
  // Whoever keeps the connection tells of a Redis that goes on being silent.
  const redis = await copies.now().catch(() => null)
  return { monotonic: clock.monotonic(), redis }
}

export type Leases = Readonly<{
  /** What the row said to a look that was sent at a moment. */
  take: (epoch: Epoch, sent: Moment) => void
  /** What may be read now; null for nothing. */
  current: () => Leased | null
  /** Whether copies of this epoch may still be read. Asked after Redis has answered. */
  holds: (at: Place) => boolean
}>

/**
 * The right to answer from copies: as long as the row said `on` to a look that was sent less than
 * half a second ago. Counted from the sending, because the row may have changed since the database
 * read it, and by two clocks of two machines: this process's, which stands still with its machine,
 * and Redis', by which Redis itself refuses. Either is enough.
 */
export function createLeases({ monotonic }: SteadyClock): Leases {
  let latest: Readonly<{ epoch: Epoch; sent: Moment }> | null = null

  function current(): Leased | null {
    if (latest?.epoch.state !== 'on') return null
    const { epoch, sent } = latest
    if (sent.redis?.reign !== epoch.reign) return null
    if (monotonic() - sent.monotonic >= LEASE_MS) return null
    return { tag: epoch.tag, reign: epoch.reign, sinceMs: sent.redis.ms }
  }

  return {
    take: (epoch, sent) => {
      if (latest && sent.monotonic < latest.sent.monotonic) return
      // One that is silent for a moment takes no lease away.
      if (epoch.tag === latest?.epoch.tag && epoch.state === latest.epoch.state && !sent.redis) {
        return
      }
      latest = { epoch, sent }
    },
    current,
    holds: ({ tag }) => current()?.tag === tag,
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
export function createEndings(clock: SteadyClock): Endings {
  const since = new Map<string, number>()
  function seen(tag: string): void {
    if (since.has(tag)) return
    since.set(tag, clock.monotonic())
    const [oldest] = since.keys()
    if (since.size > ENDINGS_MAX && oldest !== undefined) since.delete(oldest)
  }

  function leftMs(tag: string): number | null {
    const start = since.get(tag)
    if (start === undefined) return null
    return Math.max(0, LEASES_OVER_MS - (clock.monotonic() - start))
  }

  return {
    seen,
    leftMs,
    over: async (tag) => {
      seen(tag)
      // Again, because a timer may wake a little early.
      for (let left = leftMs(tag); left !== 0; left = leftMs(tag)) {
        if (left === null) seen(tag)
        else await clock.sleep(left)
      }
    },
  }
}
