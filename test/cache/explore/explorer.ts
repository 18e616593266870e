import { createRandom } from '../../chaos/kit/random.ts'
import { beginningOf, byChance, focuses, order } from './chance.ts'
import type { Focus } from './chance.ts'
import type { Choose } from './scheduler.ts'
import { play } from './world.ts'
import type { Beginning, Outcome, Variant } from './world.ts'

export type Found = Readonly<{
  schedules: number
  steps: number
  hits: number
  reads: number
  commits: number
  /** Hits when all was still. */
  behind: number
  /** Schedules in which an epoch was opened anew. */
  reopened: number
  stale: Readonly<{ what: string; trace: readonly string[]; seed: number | null }> | null
}>

/** Steps out of order, each as its place and the choice there. */
type Plan = readonly (readonly [at: number, choice: number])[]
/** One of several that are all together. */
type Part = Readonly<{ index: number; of: number }>

type Tally = { -readonly [K in keyof Found]: Found[K] }

const nothing = (): Tally => ({
  schedules: 0,
  steps: 0,
  hits: 0,
  reads: 0,
  commits: 0,
  behind: 0,
  reopened: 0,
  stale: null,
})

function count(tally: Tally, outcome: Outcome, seed: number | null): void {
  tally.schedules += 1
  tally.steps += outcome.trace.length
  tally.hits += outcome.hits
  tally.reads += outcome.reads
  tally.commits += outcome.commits
  tally.behind += outcome.behind
  tally.reopened += outcome.opened > 1n ? 1 : 0
  if (outcome.stale !== null) tally.stale = { what: outcome.stale, trace: outcome.trace, seed }
}

/**
 * Random schedules, each with a seed of its own: the same seed plays the same schedule. Ends at the
 * first stale read.
 */
export async function exploreAtRandom(
  variant: Variant,
  options: Readonly<{ seed: number; focus?: Focus; schedules?: number; forMs?: number }>,
): Promise<Found> {
  const tally = nothing()
  const end = performance.now() + (options.forMs ?? Number.POSITIVE_INFINITY)
  const most = options.schedules ?? Number.POSITIVE_INFINITY
  while (tally.stale === null && tally.schedules < most && performance.now() < end) {
    const seed = (options.seed + tally.schedules) % 2 ** 31
    const random = createRandom(seed)
    const focus = options.focus ?? random.pick(focuses)
    count(tally, await play(variant, beginningOf(focus, random), byChance(focus, random)), seed)
  }
  return tally
}

/**
 * Every schedule that differs from the plainest one in at most so many steps: all of them, unless
 * `schedules` ends it. The plainest takes what was asked first, lets time pass only when nothing
 * else is left, and has no fault. With `part`, only those whose first step out of order is its own.
 */
export async function exploreAll(
  variant: Variant,
  start: Beginning,
  options: Readonly<{ deviations: number; schedules?: number; part?: Part }>,
): Promise<Found & Readonly<{ whole: boolean }>> {
  const tally = nothing()
  const most = options.schedules ?? Number.POSITIVE_INFINITY
  const part = options.part ?? { index: 0, of: 1 }
  let firsts = 0
  const isOurs = (plan: Plan): boolean => plan.length > 0 || firsts++ % part.of === part.index
  const left: Plan[] = [[]]
  for (let plan = left.pop(); plan; plan = left.pop()) {
    if (tally.stale !== null || tally.schedules >= most) return { ...tally, whole: false }
    const widths: number[] = []
    const outcome = await play(variant, start, following(plan, widths))
    // All parts begin with the plainest one; it is counted once.
    if (plan.length > 0 || part.index === 0) count(tally, outcome, null)
    if (plan.length === options.deviations) continue
    const next = (plan.at(-1)?.[0] ?? -1) + 1
    for (let at = next; at < widths.length; at++) {
      for (let choice = 1; choice < (widths[at] ?? 0); choice++) {
        if (isOurs(plan)) left.push([...plan, [at, choice]])
      }
    }
  }
  return { ...tally, whole: true }
}

function following(plan: Plan, widths: number[]): Choose {
  return (offers) => {
    const sorted = order.flatMap((kind) => offers(kind))
    const choice = plan.find(([at]) => at === widths.length)?.[1] ?? 0
    widths.push(sorted.length)
    return sorted[choice] ?? null
  }
}
