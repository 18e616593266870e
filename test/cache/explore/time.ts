import type { Clocks } from '../../../src/cache/parts.ts'
import type { Scheduler, Step } from './scheduler.ts'

/** A machine's clocks: how fast one runs, and what the other is ahead by. */
export type Drift = { rate: number; ahead: number; slept: number }

type Timer = Readonly<{ due: () => boolean; dueAt: () => number; step: Step }>

export type SimTime = Readonly<{
  now: () => number
  clocksOf: (machine: string, drift: Drift) => Clocks
  /** What may befall a machine's clocks. */
  faults: () => readonly Step[]
}>

/** What time may go on by when nothing is due: around what the protocol waits for. */
const LEAPS = [40, 120, 480, 530] as const
const TIME_MAX = 20_000

/** Time stands still until the schedule moves it: to what is due next, or by a leap. */
export function createTime(scheduler: Scheduler): SimTime {
  let now = 1_000
  const timers = new Set<Timer>()
  const drifts = new Map<string, Drift>()

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

  function clockFaults(machine: string, drift: Drift): Step[] {
    const set = (ms: number): Step => ({
      name: `${machine}'s clock is set by ${ms} ms`,
      kind: 'fault',
      run: () => {
        drift.ahead += ms
      },
    })
    const sleep: Step = {
      name: `${machine} is suspended for 600 ms`,
      kind: 'fault',
      run: () => {
        now += 600
        drift.slept += 600
      },
    }
    return [set(3_600_000), set(-3_600_000), set(-500), sleep]
  }

  return {
    now: () => now,
    faults: () => [...drifts].flatMap(([machine, drift]) => clockFaults(machine, drift)),
    clocksOf: (machine, drift) => {
      drifts.set(machine, drift)
      const monotonic = (): number => (now - drift.slept) * drift.rate
      return {
        monotonic,
        wall: () => now + drift.ahead,
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
