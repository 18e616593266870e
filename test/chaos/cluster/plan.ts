import { randomInt } from 'node:crypto'
import type { Random } from '../kit/random.ts'
import { faultNamed, faults } from './faults/table.ts'
import type { Fault } from './faults/table.ts'

/** Whether a run is judged by how long things took, or shows it only. */
export type Times = 'judged' | 'shown'

/** What a run does, one step behind the other. */
export type Plan = Readonly<{
  seed: number
  /** No fault lasts longer. */
  mostMs: number
  /** The next faults to be done at once; null: enough. `ranMs`: how long it has been running. */
  next: (ranMs: number, random: Random) => readonly Fault[] | null
  /** Whether databases are on small disks, which can be filled: they hold an hour of all this. */
  smallDisks: boolean
  times: Times
  /** Whether each death of a primary, with its host, must have brought a new one. */
  failovers: boolean
  /** What was meant to be done and was not, for want of time. */
  left: () => readonly Fault[]
  /** Whether its report is one to keep: nothing of it was chosen by whoever ran it. */
  whole: boolean
  /** How to do the same again. */
  command: string
}>

export const deaths = {
  host: 'primary, as with its host, killed',
  database: "primary's PostgreSQL killed",
}

/** Each of these once: what CI has time for. */
const short = [
  'server killed',
  'balancer gone',
  'Redis master killed',
  deaths.host,
  'worker, and the bank in it, killed',
  'primary parted from everyone, silently',
  "primary's Patroni paused",
  'server paused',
]

const PAIRS = 0.25
/** Of the issue: so many must pass. */
const FAILOVERS = 100
const MINUTE_MS = 60_000
/** Longer than a primary that is gone keeps its key. */
const SHORT_MOST_MS = 13_000
/** A machine that is slow gets through less of it, and the report says so. */
const SHORT_MS = 150_000
const LONG_MOST_MS = 30_000

/** @throws when a setting makes no sense. */
export function readPlan(environment: Readonly<Record<string, string | undefined>>): Plan {
  const number = (name: string, unset: number): number => {
    const value = Number(environment[name] ?? unset)
    if (!Number.isSafeInteger(value) || value < 0) throw new Error(`${name} must be a whole number`)
    return value
  }
  const seed = number('CHAOS_SEED', randomInt(2 ** 31))
  const failovers = number('CHAOS_FAILOVERS', 0)
  const minutes = number('CHAOS_MINUTES', 60)
  const told = environment['CHAOS_FAULTS']
  const long = {
    seed,
    mostMs: LONG_MOST_MS,
    smallDisks: true,
    times: 'judged',
    failovers: false,
    whole: false,
  } as const
  if (told !== undefined) {
    const all = told.split(';').map((name) => faultNamed(name.trim()))
    const command = `CHAOS_FAULTS="${told}" CHAOS_SEED=${seed} npm run chaos`
    return { ...long, command, ...oneByOne(all, Number.POSITIVE_INFINITY) }
  }
  if (environment['CHAOS_FORM'] === 'short') {
    const command = `CHAOS_FORM=short CHAOS_SEED=${seed} npm run chaos`
    const choice = oneByOne(short.map(faultNamed), SHORT_MS)
    return { ...long, mostMs: SHORT_MOST_MS, times: 'shown', command, ...choice }
  }
  if (failovers > 0) {
    const all = Array.from({ length: failovers }, (_, index) =>
      faultNamed(index % 2 === 0 ? deaths.host : deaths.database),
    )
    const command = `CHAOS_FAILOVERS=${failovers} CHAOS_SEED=${seed} npm run chaos:failover`
    return {
      ...long,
      smallDisks: false,
      failovers: true,
      whole: failovers >= FAILOVERS,
      command,
      ...oneByOne(all, Number.POSITIVE_INFINITY),
    }
  }
  const command = `CHAOS_MINUTES=${minutes} CHAOS_SEED=${seed} npm run chaos`
  return { ...long, whole: true, command, ...byChance(minutes) }
}

type Choice = Pick<Plan, 'next' | 'left'>

function oneByOne(all: readonly Fault[], mostMs: number): Choice {
  const left = [...all]
  const next: Plan['next'] = (ranMs) => {
    const fault = ranMs < mostMs ? left.shift() : undefined
    return fault ? [fault] : null
  }
  return { next, left: () => left }
}

/** Every one alone first, in an order by chance, for alone it is judged; then some in pairs. */
function byChance(minutes: number): Choice {
  const alone = [...faults]
  let bag: Fault[] = []
  const draw = (random: Random): readonly Fault[] => {
    if (bag.length === 0) bag = [...faults]
    return take(bag, random)
  }
  const next: Plan['next'] = (ranMs, random) => {
    if (ranMs > minutes * MINUTE_MS) return null
    if (alone.length > 0) return take(alone, random)
    return random.chance(PAIRS) ? [...draw(random), ...draw(random)] : draw(random)
  }
  return { next, left: () => alone }
}

function take(from: Fault[], random: Random): readonly Fault[] {
  return from.splice(random.below(from.length), 1)
}
