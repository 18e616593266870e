import { randomInt } from 'node:crypto'
import type { TestContext } from 'node:test'

/** Chance that can be had again: the same seed gives the same sequence. */
export type Random = Readonly<{
  /** A whole number from 0 up to, not including, `end`. */
  below: (end: number) => number
  chance: (probability: number) => boolean
  pick: <T>(choices: readonly [T, ...T[]]) => T
}>

const SEEDS = 2 ** 31

/** The seed of this run: CHAOS_SEED, or a new one. Printed, so that a failure can be run again. */
export function seedOf(t: TestContext): number {
  const seed = Number(process.env['CHAOS_SEED'] ?? randomInt(SEEDS))
  t.diagnostic(`CHAOS_SEED=${seed}`)
  return seed
}

/** Mulberry32: 32 bits of state are plenty for choosing what to break next. */
export function createRandom(seed: number): Random {
  let state = seed >>> 0
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  const below = (end: number): number => Math.floor(next() * end)
  return {
    below,
    chance: (probability) => next() < probability,
    pick: (choices) => choices[below(choices.length)] ?? choices[0],
  }
}
