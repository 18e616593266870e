import { setImmediate } from 'node:timers/promises'
import { LRUCache } from 'lru-cache'
import { CALLERS_MAX, lasts, quotas } from '../../quotas.ts'
import type { Lease, QuotaName, WindowKey } from '../../quotas.ts'
import type { Clock } from '../../time.ts'
import { MILLISECOND } from '../../time.ts'

/** A process that hands out requests to callers. */
export type Holder = Readonly<{
  /**
   * Asks for some of what it has in hand. Null when it counts for itself by now; fails when it
   * cannot be asked in time.
   */
  giveBack: (key: WindowKey) => Promise<number | null>
}>

export type Leases = Readonly<{
  /** @throws when what others hold cannot be known: then whoever asks counts for itself. */
  lease: (holder: Holder, name: QuotaName, caller: string) => Promise<Lease>
  /** Of a holder that goes: what it has not used. */
  handOver: (holder: Holder, left: readonly (WindowKey & Readonly<{ left: number }>)[]) => void
  /** Of a holder that died: nobody knows what it had used, and its callers do not pay for that. */
  forget: (holder: Holder) => void
}>

type Shared = {
  pool: number
  readonly endsAtMs: number
  /** What each has been given and has not given back; used or not. */
  readonly held: Map<Holder, number>
  turn: Promise<unknown>
}

/**
 * Counts for all processes of a machine. Whoever asks first for a caller is given all of its
 * window, and need not ask again. When another one asks, each that holds some gives half of it
 * back. So nothing is ever handed out twice, and nobody is refused while there is some left.
 */
export function createLeases(clock: Clock): Leases {
  const windows = Object.fromEntries(
    Object.keys(quotas).map((name) => [name, new LRUCache<string, Shared>({ max: CALLERS_MAX })]),
  ) as Record<QuotaName, LRUCache<string, Shared>>
  const nowMs = (): number => Number(clock.now() / MILLISECOND)

  function windowOf(name: QuotaName, caller: string): Shared {
    const known = windows[name].get(caller)
    if (known && lasts(known, name, nowMs())) return known
    const { most, windowSeconds } = quotas[name]
    const endsAtMs = nowMs() + windowSeconds * 1_000
    const fresh = { pool: most, endsAtMs, held: new Map<Holder, number>(), turn: Promise.resolve() }
    windows[name].set(caller, fresh)
    return fresh
  }

  async function leaseFrom(shared: Shared, holder: Holder, name: QuotaName, caller: string) {
    if (shared.pool === 0) await gather(shared, holder, { name, caller, endsAtMs: shared.endsAtMs })
    const granted = shared.pool
    shared.pool = 0
    shared.held.set(holder, (shared.held.get(holder) ?? 0) + granted)
    return { granted, endsAtMs: shared.endsAtMs, exhausted: granted === 0 }
  }

  return {
    lease: async (holder, name, caller) => {
      const shared = windowOf(name, caller)
      // One after the other: a second one must see what the first one gathered.
      const mine = shared.turn.then(async () => await leaseFrom(shared, holder, name, caller))
      // And what was granted must be on its way before somebody asks for half of it back.
      shared.turn = mine.catch(() => undefined).then(async () => await setImmediate())
      return await mine
    },
    handOver: (holder, left) => {
      for (const { name, caller, endsAtMs, left: unused } of left) {
        const shared = windows[name].peek(caller)
        if (shared?.endsAtMs !== endsAtMs) continue
        shared.pool += Math.min(unused, shared.held.get(holder) ?? 0)
      }
      for (const shared of all(windows)) shared.held.delete(holder)
    },
    forget: (holder) => {
      for (const shared of all(windows)) {
        shared.pool += shared.held.get(holder) ?? 0
        shared.held.delete(holder)
      }
    },
  }
}

async function gather(shared: Shared, asking: Holder, key: WindowKey): Promise<void> {
  const others = [...shared.held].filter(([holder, held]) => holder !== asking && held > 0)
  const given = await Promise.allSettled(
    others.map(async ([holder]) => {
      const back = await holder.giveBack(key)
      if (back === null) throw new Error('a server counts for itself')
      const held = shared.held.get(holder) ?? 0 // less, if it has gone meanwhile
      const counts = Math.min(back, held)
      shared.held.set(holder, held - counts)
      shared.pool += counts
    }),
  )
  const silent = given.find(({ status }) => status === 'rejected')
  if (shared.pool === 0 && silent?.status === 'rejected') throw silent.reason
}

function all(windows: Readonly<Record<QuotaName, LRUCache<string, Shared>>>): readonly Shared[] {
  return Object.values(windows).flatMap((some) => [...some.values()])
}
