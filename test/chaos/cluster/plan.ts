import { randomInt } from 'node:crypto'
import type { Random } from '../kit/random.ts'
import { faultNamed, faults } from './faults/table.ts'
import type { Fault } from './faults/table.ts'

/** What a run does, one step behind the other. */
export type Plan = Readonly<{
  seed: number
  /** The next faults to be done at once; null: enough. `ranMs`: how long it has been running. */
  next: (ranMs: number, random: Random) => readonly Fault[] | null
  /** How to do the same again. */
  command: string
}>

/** Each of these once: what CI has time for. */
const short = [
  'server killed',
  'balancer killed',
  'worker, and the bank in it, killed',
  'Redis master killed',
  'primary, as with its host, killed',
  'primary parted from everyone, silently',
  "primary's Patroni paused",
  'server paused',
]

const PAIRS = 0.25
const MINUTE_MS = 60_000

/** @throws when a setting makes no sense. */
export function readPlan(environment: Readonly<Record<string, string | undefined>>): Plan {
  const number = (name: string, unset: number): number => {
    const value = Number(environment[name] ?? unset)
    if (!Number.isSafeInteger(value) || value < 0) throw new Error(`${name} must be a whole number`)
    return value
  }
  const seed = number('CHAOS_SEED', randomInt(2 ** 31))
  const failovers = number('CHAOS_FAILOVERS', 0)
  if (environment['CHAOS_FAULTS'] !== undefined) {
    const names = environment['CHAOS_FAULTS'].split(';').map((name) => name.trim())
    const command = `CHAOS_FAULTS='${names.join('; ')}' CHAOS_SEED=${seed} npm run chaos`
    return { seed, command, next: oneByOne(names.map(faultNamed)) }
  }
  if (environment['CHAOS_FORM'] === 'short') {
    const command = `CHAOS_FORM=short CHAOS_SEED=${seed} npm run chaos`
    return { seed, command, next: oneByOne(short.map(faultNamed)) }
  }
  if (failovers > 0) {
    const kills = [
      faultNamed('primary, as with its host, killed'),
      faultNamed("primary's PostgreSQL killed"),
    ]
    const all = Array.from({ length: failovers }, (_, index) => kills[index % kills.length])
    const command = `CHAOS_FAILOVERS=${failovers} CHAOS_SEED=${seed} npm run chaos:failover`
    return { seed, command, next: oneByOne(all.filter((fault) => fault !== undefined)) }
  }
  const minutes = number('CHAOS_MINUTES', 60)
  const command = `CHAOS_MINUTES=${minutes} CHAOS_SEED=${seed} npm run chaos`
  return { seed, command, next: byChance(minutes) }
}

function oneByOne(all: readonly Fault[]): Plan['next'] {
  const left = [...all]
  return () => {
    const fault = left.shift()
    return fault ? [fault] : null
  }
}

/** Every one in its turn, in an order by chance; some of them two at once. */
function byChance(minutes: number): Plan['next'] {
  let bag: Fault[] = []
  const draw = (random: Random): readonly Fault[] => {
    if (bag.length === 0) bag = [...faults]
    return bag.splice(random.below(bag.length), 1)
  }
  return (ranMs, random) => {
    if (ranMs > minutes * MINUTE_MS) return null
    return random.chance(PAIRS) ? [...draw(random), ...draw(random)] : draw(random)
  }
}
