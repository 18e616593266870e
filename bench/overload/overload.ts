import type { Child } from '../load/child.ts'
import { startChild } from '../load/child.ts'
import type { Clients } from '../load/clients.ts'
import type { Flood, FloodAsk, Heard, Pace } from '../load/flood.ts'
import { peakMemoryBytes } from '../processes.ts'
import { quantile } from '../samples.ts'
import { probe } from './probes.ts'
import type { Seen } from './probes.ts'
import type { Target } from './site.ts'

export type OverloadAsk = Readonly<{
  target: Target
  what: FloodAsk['what']
  seconds: Readonly<{
    warmUp: number
    capacity: number
    calm: number
    flood: number
    after: number
  }>
  patienceMs: number
  connections: number
  /** Each process that makes load is shown to this before it does. */
  giveToLoad: (pid: number) => Promise<void>
  say: (line: string) => void
}>

export type Overloaded = Readonly<{
  what: FloodAsk['what']
  capacityPerSecond: number
  calm: Stretch
  flood: Stretch
  after: Stretch
  seen: Seen
  /** Since the last of the flood was due: from which second on all is as before it. Null: never. */
  normalAgainSecond: number | null
  peakBytes: number
}>

export type Stretch = Heard & Pace

/** So many times what it can do is asked of it. */
const TIMES = 5
/** In the calm before and after. */
const CALM_SHARE = 0.25
/** Enough to keep two servers busy. */
export const CALLERS = 128
/** As normal as before: no slower than the one, or so much slower than the calm before. */
const NORMAL_MS = 250
const NORMAL_TIMES = 3

/**
 * Finds out how much a service can do in a second, asks five times as much of it by the clock, and
 * looks how it fares, and how soon it is itself again.
 */
export async function overload(ask: OverloadAsk): Promise<Overloaded> {
  const { target, what, seconds, say, connections, patienceMs } = ask
  const { doors, customers } = target
  const clients = await startChild<Clients>('clients.ts', { doors, customers })
  const setup = { doors, customers, connections, patienceMs }
  const load = await startChild<Flood>('flood.ts', setup)
  try {
    await Promise.all([clients, load].map(async ({ pid }) => await ask.giveToLoad(pid)))
    // What is compiled as it runs begins slowly.
    await findCapacity(clients, ask, seconds.warmUp)
    const capacityPerSecond = await findCapacity(clients, ask, seconds.capacity)
    say(`capacity: ${capacityPerSecond.toFixed(0)} ${what}/s`)
    const pace = (times: number, length: number): Pace => {
      return { perSecond: capacityPerSecond * times, seconds: length }
    }
    const stretches = async (...paces: readonly Pace[]): Promise<readonly Stretch[]> => {
      const all = await load.ask({ what, paces })
      return all.map((heard, index) => ({ ...heard, ...paces[index]! }))
    }
    const [calm] = (await stretches(pace(CALM_SHARE, seconds.calm))) as [Stretch]
    const probing = probe(target, AbortSignal.timeout(seconds.flood * 1_000))
    const [flood, after] = (await stretches(
      pace(TIMES, seconds.flood),
      pace(CALM_SHARE, seconds.after),
    )) as [Stretch, Stretch]
    const seen = await probing
    for (const one of [calm, flood, after]) say(describe(one))
    const normalAgainSecond = normalFrom(calm, after)
    const peakBytes = Math.max(...target.pids().map(peakMemoryBytes))
    return { what, capacityPerSecond, calm, flood, after, seen, normalAgainSecond, peakBytes }
  } finally {
    await Promise.all([clients.stop(), load.stop()])
  }
}

async function findCapacity(
  clients: Child<Clients>,
  { what }: OverloadAsk,
  seconds: number,
): Promise<number> {
  const asked = what === 'payments' ? 'payment' : 'user'
  const sample = await clients.ask({
    what: asked,
    connections: CALLERS,
    ms: seconds * 1_000,
    patient: true,
  })
  return sample.count / sample.seconds
}

/** In milliseconds, of those that were accepted. */
export function latency({ tookMs }: Pick<Heard, 'tookMs'>, share: number): number {
  return quantile(tookMs.toSorted(), share)
}

function normalFrom(calm: Stretch, after: Stretch): number | null {
  const normalMs = Math.max(NORMAL_MS, latency(calm, 0.99) * NORMAL_TIMES)
  const isNormal = Array.from({ length: Math.floor(after.seconds) }, (_, second) => {
    const tookMs = after.tookMs.filter((_ms, at) => {
      return Math.floor((after.dueMs[at] ?? Number.NaN) / 1_000) === second
    })
    return tookMs.length >= after.perSecond * 0.99 - 1 && latency({ tookMs }, 0.99) <= normalMs
  })
  const lastBad = isNormal.lastIndexOf(false)
  return lastBad === isNormal.length - 1 ? null : lastBad + 1
}

/** How many were accepted in a second, of those that were due in the stretch. */
export function goodput({ tookMs, seconds }: Stretch): number {
  return tookMs.length / seconds
}

export function describe(stretch: Stretch): string {
  const counts = Object.entries(stretch.statuses).map(([status, count]) => `${count} x ${status}`)
  const [p50, p99] = [0.5, 0.99].map((share) => latency(stretch, share).toFixed(0))
  return (
    `${stretch.perSecond.toFixed(0)}/s for ${stretch.seconds} s: ${counts.join(', ')}; ` +
    `${goodput(stretch).toFixed(0)}/s accepted, p50 ${p50} ms, p99 ${p99} ms`
  )
}
