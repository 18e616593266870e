import { setTimeout as delay } from 'node:timers/promises'
import type { Random } from '../../kit/random.ts'
import type { Span } from '../check/gaps.ts'
import { moment } from '../load/history.ts'
import type { Picture } from '../picture.ts'
import type { Fault, Struck } from './table.ts'

/** A fault, or two at once, and what became of it. */
export type Episode = Readonly<{
  faults: readonly Fault[]
  victims: readonly string[]
  /** From the first strike until all was whole again, and when healing began. */
  span: Span
  healed: number
  /** What was still missing when waiting came to its end; null: nothing. */
  missing: string | null
}>

/** With nothing broken, before the next fault. */
export const CALM_MS = 3_000
/** Then the cluster has not healed by itself, which is a finding. */
const WHOLE_WITHIN_MS = 120_000
const LOOK_MS = 500
/** So often a fault is tried that is not possible at once. */
const TRIES = 5

/** What was done, if anything, and what was not possible, however often it was tried. */
export type Broken = Readonly<{ episode: Episode | null; impossible: readonly Fault[] }>

/** Does it, lets it last, undoes it, and waits until all is whole. */
export async function breakOnce(
  picture: Picture,
  faults: readonly Fault[],
  mostMs: number,
  random: Random,
): Promise<Broken> {
  const from = moment()
  const struck: Struck[] = []
  const done: Fault[] = []
  const impossible: Fault[] = []
  for (const fault of faults) {
    const one = await strike(picture, fault, random)
    if (one === null) {
      impossible.push(fault)
      continue
    }
    struck.push(one)
    done.push(fault)
  }
  if (done.length === 0) return { episode: null, impossible }
  await delay(Math.max(...done.map((fault) => lastsMs(fault, mostMs, random))))
  const healed = moment()
  for (const { heal } of struck) await heal()
  const missing = await untilWhole(picture)
  const victims = struck.flatMap((one) => one.victims.map(({ name }) => name))
  const span = { from, to: moment() }
  return { episode: { faults: done, victims, span, healed, missing }, impossible }
}

/** Who is to be struck may not be known at a moment. Null: nor later. */
async function strike(picture: Picture, fault: Fault, random: Random): Promise<Struck | null> {
  for (let tries = 1; ; tries += 1) {
    const struck = await fault.strike(picture, random)
    if (struck !== null || tries === TRIES) return struck
    await delay(LOOK_MS)
  }
}

function lastsMs({ lastsMs: [least, most] }: Fault, mostMs: number, random: Random): number {
  return least + random.below(Math.max(0, Math.min(most, mostMs) - least) + 1)
}

async function untilWhole(picture: Picture): Promise<string | null> {
  const deadline = moment() + WHOLE_WITHIN_MS
  for (;;) {
    // What has been killed a moment ago may look alive.
    await delay(LOOK_MS)
    const missing = await picture.missing()
    if (missing === null || moment() > deadline) return missing
  }
}
