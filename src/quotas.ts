import { setImmediate } from 'node:timers/promises'
import { LRUCache } from 'lru-cache'
import { AppError } from './errors.ts'
import type { Clock } from './time.ts'
import { MILLISECOND } from './time.ts'

/** Requests that one caller has in a window. Sign-ups and sign-ins cost a password's hash each. */
export const quotas = {
  reads: { most: 1_200, windowSeconds: 60 },
  writes: { most: 600, windowSeconds: 60 },
  'sign-ups': { most: 300, windowSeconds: 3_600 },
  'sign-ins': { most: 120, windowSeconds: 60 },
} as const satisfies Record<string, { most: number; windowSeconds: number }>

export type QuotaName = keyof typeof quotas

/**
 * Callers remembered per quota. Beyond, the one that asked longest ago is forgotten and starts
 * afresh: a flood of addresses cannot fill the memory, and cannot lock anyone out.
 */
export const CALLERS_MAX = 50_000

/** Who counts, and until when: two windows of one caller differ by their end. */
export type WindowKey = Readonly<{ name: QuotaName; caller: string; endsAtMs: number }>

/** A part of what a caller has left in its window, for one process to hand out. */
export type Lease = Readonly<{
  granted: number
  endsAtMs: number
  /** Nobody has any left: there is no need to ask again before the window ends. */
  exhausted: boolean
}>

/** Asks whoever counts for all processes. Fails when that one cannot be asked in time. */
export type LeaseQuota = (name: QuotaName, caller: string) => Promise<Lease>

type Window = {
  /** What this process may hand out without asking. */
  left: number
  used: number
  readonly endsAtMs: number
  /** `more`: there may be more to be had. `none`: there is none. `alone`: nobody can be asked. */
  source: 'more' | 'none' | 'alone'
}

/** What a caller has left, in the form of its headers. */
export type Share = Readonly<{
  limit: string
  policy: string
  refusal: AppError | null
}>

export type Quotas = Readonly<{
  /** Takes one request off the caller's share; `cost` 0 only looks. Never fails. */
  take: (name: QuotaName, caller: string, cost?: 0 | 1) => Promise<Share>
  /** Half of what this process has in hand, for another one that has none. Null: who knows. */
  giveBack: (key: WindowKey) => Promise<number | null>
  /** All that it has in hand: from now on it hands out nothing without asking. */
  handOver: () => readonly (WindowKey & Readonly<{ left: number }>)[]
}>

/**
 * Counts requests per caller in fixed windows.
 *
 * @param lease Where processes share a count. Without it, this process counts for itself.
 */
export function createQuotas(clock: Clock, lease: LeaseQuota | null): Quotas {
  const windows = Object.fromEntries(
    Object.keys(quotas).map((name) => [name, new LRUCache<string, Window>({ max: CALLERS_MAX })]),
  ) as Record<QuotaName, LRUCache<string, Window>>
  const asking = new Map<string, Promise<void>>()
  const nowMs = (): number => Number(clock.now() / MILLISECOND)

  function known(name: QuotaName, caller: string): Window | null {
    const window = windows[name].get(caller)
    return window && lasts(window, name, nowMs()) ? window : null
  }

  async function ask(name: QuotaName, caller: string): Promise<void> {
    const { most, windowSeconds } = quotas[name]
    try {
      if (!lease) throw new Error('this process counts for itself')
      const { granted, endsAtMs, exhausted } = await lease(name, caller)
      const window = known(name, caller)
      const [left, used] = window?.endsAtMs === endsAtMs ? [window.left, window.used] : [0, 0]
      const source = exhausted ? 'none' : 'more'
      windows[name].set(caller, { left: left + granted, used, endsAtMs, source })
    } catch {
      // What this process has let through counts; what others have, it cannot know.
      const { used, endsAtMs } = known(name, caller) ?? {
        used: 0,
        endsAtMs: nowMs() + windowSeconds * 1_000,
      }
      windows[name].set(caller, { left: most - used, used, endsAtMs, source: 'alone' })
    }
  }

  /** Callers that ask at the same time wait for one answer. */
  async function askOnce(name: QuotaName, caller: string): Promise<void> {
    const key = `${name} ${caller}`
    const underWay = asking.get(key) ?? ask(name, caller).finally(() => asking.delete(key))
    asking.set(key, underWay)
    await underWay
  }

  return {
    take: async (name, caller, cost = 1) => {
      let window = known(name, caller)
      // Also who only looks: what others may have left is not for this process to say.
      while (!window || (window.left < 1 && window.source === 'more')) {
        await askOnce(name, caller)
        window = known(name, caller)
      }
      const seconds = Math.max(1, Math.ceil((window.endsAtMs - nowMs()) / 1_000))
      const refused = window.left < cost
      if (!refused) {
        window.left -= cost
        window.used += cost
      }
      return {
        limit: `"${name}";r=${window.left};t=${seconds}`,
        policy: policies[name],
        refusal: refused ? new AppError('rate_limited', { retryAfterSeconds: seconds }) : null,
      }
    },
    giveBack: async ({ name, caller, endsAtMs }) => {
      // What was granted may have come in the same read, and is taken in when all of it was heard.
      await setImmediate()
      const window = windows[name].peek(caller)
      // What was granted never came here, or is forgotten: nobody is refused for it.
      if (window?.endsAtMs !== endsAtMs || window.source === 'alone') return null
      const half = Math.ceil(window.left / 2)
      window.left -= half
      return half
    },
    handOver: () =>
      (Object.keys(quotas) as QuotaName[]).flatMap((name) =>
        [...windows[name].entries()].flatMap(([caller, window]) => {
          const { left, endsAtMs, source } = window
          if (source !== 'more' || left === 0) return []
          window.left = 0
          return [{ name, caller, endsAtMs, left }]
        }),
      ),
  }
}

/** One that ends too late began before the clock stepped back. */
export function lasts(
  { endsAtMs }: Readonly<{ endsAtMs: number }>,
  name: QuotaName,
  nowMs: number,
): boolean {
  const leftMs = endsAtMs - nowMs
  return leftMs > 0 && leftMs <= quotas[name].windowSeconds * 1_000
}

/** @see draft-ietf-httpapi-ratelimit-headers section 3 */
const policies = Object.fromEntries(
  Object.entries(quotas).map(([name, { most, windowSeconds }]) => {
    return [name, `"${name}";q=${most};w=${windowSeconds}`]
  }),
) as Record<QuotaName, string>
