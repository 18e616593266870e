import { LRUCache } from 'lru-cache'
import { AppError } from './errors.ts'
import type { Clock } from './time.ts'
import { MILLISECOND } from './time.ts'

/** Requests that one caller has in a window. Sign-ups and sign-ins cost a password's hash each. */
const quotas = {
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
const CALLERS_MAX = 50_000

type Window = { left: number; readonly endsAtMs: number }

/** What a caller has left, in the form of its headers. */
export type Share = Readonly<{
  limit: string
  policy: string
  refusal: AppError | null
}>

export type Quotas = Readonly<{
  /** Takes one request off the caller's share; `cost` 0 only looks. */
  take: (name: QuotaName, caller: string, cost?: 0 | 1) => Share
}>

/** Counts requests per caller in fixed windows, in the memory of this process. */
export function createQuotas(clock: Clock): Quotas {
  const windows = Object.fromEntries(
    Object.keys(quotas).map((name) => [name, new LRUCache<string, Window>({ max: CALLERS_MAX })]),
  ) as Record<QuotaName, LRUCache<string, Window>>

  function windowOf(name: QuotaName, caller: string, nowMs: number): Window {
    const known = windows[name].get(caller)
    const { most, windowSeconds } = quotas[name]
    const leftMs = (known?.endsAtMs ?? nowMs) - nowMs
    // One that ends too late began before the clock stepped back.
    if (known && leftMs > 0 && leftMs <= windowSeconds * 1_000) return known
    const fresh = { left: most, endsAtMs: nowMs + windowSeconds * 1_000 }
    windows[name].set(caller, fresh)
    return fresh
  }

  return {
    take: (name, caller, cost = 1) => {
      const nowMs = Number(clock.now() / MILLISECOND)
      const window = windowOf(name, caller, nowMs)
      const seconds = Math.max(1, Math.ceil((window.endsAtMs - nowMs) / 1_000))
      const refused = window.left < cost
      if (!refused) window.left -= cost
      return {
        limit: `"${name}";r=${window.left};t=${seconds}`,
        policy: policies[name],
        refusal: refused ? new AppError('rate_limited', { retryAfterSeconds: seconds }) : null,
      }
    },
  }
}

/** @see draft-ietf-httpapi-ratelimit-headers section 3 */
const policies = Object.fromEntries(
  Object.entries(quotas).map(([name, { most, windowSeconds }]) => {
    return [name, `"${name}";q=${most};w=${windowSeconds}`]
  }),
) as Record<QuotaName, string>
