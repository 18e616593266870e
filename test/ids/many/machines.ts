import { createGenerator, kernelRandom } from '../../../src/ids/generate.ts'
import type { Clock, Micros } from '../../../src/time.ts'

/** Ids that each machine makes in a millisecond of true time: eight of them make 4,000. */
export const PER_MILLISECOND = 500
export const ID_BYTES = 16
const TRUE_START = Date.UTC(2026, 0, 1)
const HOUR = 3_600_000

/** What a machine's clock shows, by the milliseconds of true time since it began. */
export type Wrong = (trueMsecs: number) => number

/** Eight machines, each with a clock that is wrong in its own way. */
export const machines = {
  right: (t) => t,
  'right as well': (t) => t,
  'an hour ahead': (t) => t + HOUR,
  'a quarter of a second behind': (t) => t - 250,
  'trembles by 20 ms': (t) => t + ((t * 7_919) % 41) - 20,
  'steps back an hour once': (t) => (t < 30 ? t : t - HOUR),
  'steps back 2 s each second': (t) => (t % 1_000) - 2_000 * Math.floor(t / 1_000),
  stands: () => 0,
} as const satisfies Readonly<Record<string, Wrong>>

export type Machine = keyof typeof machines

/** The milliseconds that a machine's clock shows when it makes the nth id. */
export function shownAt(machine: Machine, nth: number): number {
  return TRUE_START + machines[machine](Math.floor(nth / PER_MILLISECOND))
}

export type Generator = () => string
/** Some way to make ids. The one that is tested gets a clock and random bytes of the kernel. */
export type Way = (clock: Clock) => Generator

export const ours: Way = (clock) => createGenerator(clock, kernelRandom)

/** Makes ids with a machine's clock, and hands their bytes over in portions. */
export function makeIds(
  { machine, count, way }: Readonly<{ machine: Machine; count: number; way: Way }>,
  portion: (bytes: Uint8Array) => void,
): void {
  let nth = 0
  const clock: Clock = { now: () => (BigInt(shownAt(machine, nth)) * 1_000n) as Micros }
  const generate = way(clock)
  const bytes = Buffer.alloc(Math.min(count, PORTION_IDS) * ID_BYTES)
  let filled = 0
  for (; nth < count; nth += 1) {
    bytes.write(generate().replaceAll('-', ''), filled, 'hex')
    filled += ID_BYTES
    if (filled === bytes.length || nth === count - 1) {
      portion(bytes.subarray(0, filled))
      filled = 0
    }
  }
}

const PORTION_IDS = 65_536
