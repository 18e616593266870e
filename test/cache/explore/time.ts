import type { SteadyClock } from '../../../src/cache/parts.ts'
import type { Scheduler, Step } from './scheduler.ts'

/** A process's clock: how fast it runs, and how long it has stood still with its machine. */
export type Drift = { rate: number; slept: number }

/** A Redis process's clock: people and time servers set it. */
export type Wall = { rate: number; ahead: number }

/** What a wrong variant does not assume: see docs/cache.md. */
export type Assumes = Readonly<{ nothingOfClocks?: boolean }>

type Timer = Readonly<{ due: () => boolean; dueAt: () => number; step: Step }>

export type SimTime = Readonly<{
  now: () => number
  clockOf: (machine: string, drift: Drift) => SteadyClock
  /** What a clock that can be set says, in milliseconds. */
  wallOf: (server: string, wall: Wall) => () => number
  /** What may befall the clocks: of processes or of Redis, but not of both within a lease. */
  faults: () => readonly Step[]
}>

/** What time may go on by when nothing is due: around what the protocol waits for. */
const LEAPS = [40, 120, 480, 620] as const
const TIME_MAX = 20_000
/** Longer than a lease, and the answer before it, by a slow clock: what is so far apart has two. */
const APART_MS = 700
/** What a clock is set by: an hour either way, and about a lease. */
const SETS = [3_600_000, -3_600_000, -500] as const

/** Time stands still until the schedule moves it: to what is due next, or by a leap. */
export function createTime(scheduler: Scheduler, assumes: Assumes = {}): SimTime {
  let now = 1_000
  const timers = new Set<Timer>()
  const drifts = new Map<string, Drift>()
  const walls = new Map<string, Wall>()
  /** When somebody last stood still, and when a clock was last set. */
  let slept = Number.NEGATIVE_INFINITY
  let wasSet = Number.NEGATIVE_INFINITY

  const isDue = ({ due }: Timer): boolean => due()
  scheduler.source('go', () => [...timers].filter(isDue).map(({ step }) => step))
  scheduler.source('time', () => {
    if (now > TIME_MAX) return []
    const waiting = [...timers].filter((timer) => !isDue(timer)).map(({ dueAt }) => dueAt())
    const leaps = LEAPS.map((ms) => leap(ms, `${ms} ms`))
    if (waiting.length === 0) return leaps
    return [leap(Math.min(...waiting) - now, 'to what is due'), ...leaps]
  })

  function leap(ms: number, how: string): Step {
    const run = (): void => {
      now += ms
    }
    return { name: `time goes on: ${how}`, kind: 'time', run }
  }

  function suspended([machine, drift]: readonly [string, Drift]): Step {
    const run = (): void => {
      now += 600
      slept = now
      drift.slept += 600
    }
    return { name: `${machine} is suspended for 600 ms`, kind: 'fault', run }
  }

  function set([server, wall]: readonly [string, Wall], ms: number): Step {
    const run = (): void => {
      wasSet = now
      wall.ahead += ms
    }
    return { name: `${server}'s clock is set by ${ms} ms`, kind: 'fault', run }
  }

  function faults(): Step[] {
    const apart = assumes.nothingOfClocks === true ? 0 : APART_MS
    const sleeps = now - wasSet >= apart ? [...drifts].map(suspended) : []
    const sets = now - slept >= apart ? [...walls] : []
    return [...sleeps, ...sets.flatMap((wall) => SETS.map((ms) => set(wall, ms)))]
  }

  return {
    now: () => now,
    faults,
    wallOf: (server, wall) => {
      walls.set(server, wall)
      return () => now * wall.rate + wall.ahead
    },
    clockOf: (machine, drift) => {
      drifts.set(machine, drift)
      const monotonic = (): number => (now - drift.slept) * drift.rate
      return {
        monotonic,
        sleep: async (ms) =>
          await new Promise<void>((resolve) => {
            const until = monotonic() + ms
            const step: Step = {
              name: `${machine} wakes`,
              kind: 'go',
              run: () => {
                timers.delete(timer)
                resolve()
              },
            }
            const timer: Timer = {
              due: () => monotonic() >= until - 1e-6,
              dueAt: () => until / drift.rate + drift.slept,
              step,
            }
            timers.add(timer)
          }),
      }
    },
  }
}
