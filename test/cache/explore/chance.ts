import type { Random } from '../../chaos/kit/random.ts'
import type { Choose, Step } from './scheduler.ts'
import type { Beginning } from './world.ts'

/** The plainest first. */
export const order = ['go', 'time', 'fault'] as const

/**
 * Where random schedules look: an even chance for everything hardly ever meets what needs three
 * rare things in one order.
 */
export const focuses = [
  'anything',
  'begins',
  'ends',
  'clocks',
  'loss',
  'evictions',
  'roles',
  'phases',
  'turns',
] as const
export type Focus = (typeof focuses)[number]

/** Of clocks that are being corrected by as much as chrony does: 1.18 apart. */
const SLOW = 0.917
const FAST = 1.083
const rates = [SLOW, 1, FAST] as const
/** What a clock of Redis may be ahead by, to begin with. */
const aheads = [0, 0, 400, -400] as const
const fewOrMany = [0, 0, 1, 2] as const
const fastAndSlow = [
  { rate: SLOW, slept: 0 },
  { rate: FAST, slept: 0 },
] as const

export function beginningOf(focus: Focus, random: Random): Beginning {
  const drift = () => ({ rate: random.pick(rates), slept: 0 })
  const wall = () => ({ rate: random.pick(rates), ahead: random.pick(aheads) })
  const reads = 1 + random.below(4)
  const common: Beginning = {
    state: 'on',
    warm: random.chance(0.7),
    secondHasRedis: random.chance(0.6),
    drifts: [drift(), drift()],
    walls: [wall(), wall()],
    faults: random.below(5),
    reads,
    unfits: reads > 3 ? 1 : 0,
    writes: [random.pick(fewOrMany), 1],
    kind: random.pick(['user', 'history']),
    spread: false,
  }
  switch (focus) {
    case 'begins':
      return { ...common, state: 'off', warm: false, faults: random.below(2) }
    case 'turns':
      return { ...common, state: 'off', warm: false, faults: 0, reads: 4, writes: [1, 0] }
    case 'phases': {
      const [faults, reads] = [1, 3 + random.below(2)]
      return { ...common, state: 'off', warm: false, spread: true, faults, reads, writes: [1, 0] }
    }
    case 'ends':
    case 'clocks': {
      const drifts = random.chance(0.5) ? fastAndSlow : common.drifts
      const faults = focus === 'clocks' ? 2 : random.below(3)
      return { ...common, warm: true, secondHasRedis: random.chance(0.1), faults, drifts }
    }
    case 'anything':
      return { ...common, state: random.chance(0.8) ? 'on' : 'off' }
    case 'loss':
    case 'evictions':
    case 'roles':
      return { ...common, faults: 1 + random.below(4) }
  }
}

const faultsOf: Readonly<Record<Focus, readonly [RegExp, ...RegExp[]]>> = {
  anything: [/./],
  begins: [/./],
  ends: [/clock is set/, /suspended/, /gives up/, /./],
  clocks: [/suspended|by -500/],
  loss: [/flushed/, /dies|starts|snapshot|loses/, /flushed|gives up|database|session/],
  evictions: [/evicts/],
  turns: [/./],
  phases: [/worker/, /worker|database/],
  roles: [/becomes/, /becomes|loses/, /becomes|catches up|loses|drops/],
}

const machines = ['A', 'B', ''] as const
/** What one name of a step ends with, or holds. */
const places = [
  'begins to read',
  'begins to write',
  'reads the row',
  'enters',
  'reads inside',
  'locks the user',
  'sends COMMIT',
  'commits: written',
  'commits: seen',
  'does look',
  'does fill',
  'does raise',
  'does time',
  'hears of look',
  'hears of fill',
  'hears of raise',
  'hears of time',
  'reads versions',
  'reads money',
  'reads view',
  'wakes',
  'closes',
  'settles',
  'opens',
  'connects',
  '',
] as const

/** A process that is paused there, or a message that is slow, for some of the steps. */
type Slow = Readonly<{ machine: string; place: string; from: number; until: number }>

const isOfTime = (focus: Focus): boolean => focus === 'ends' || focus === 'clocks'

function slowsOf(focus: Focus, random: Random): readonly Slow[] {
  const slows = Array.from({ length: random.below(isOfTime(focus) ? 2 : 4) }, (): Slow => {
    const from = random.chance(0.5) ? 0 : random.below(60)
    const until = from + random.below(120)
    return { machine: random.pick(machines), place: random.pick(places), from, until }
  })
  if (isOfTime(focus)) {
    // The machine that reads hears late that the epoch is over.
    const machine = random.pick(['A', 'A', 'B'])
    const place = random.pick(['reads the row', 'reads the row: answered', 'wakes'])
    slows.push({ machine, place, from: 0, until: 80 + random.below(100) })
    slows.push({ machine, place: 'begins to read', from: 0, until: 30 + random.below(100) })
  }
  if (focus === 'phases') {
    // An epoch opens meanwhile, and one reader looks before a worker finishes, another one behind.
    const until = 30 + random.below(30)
    slows.push({ machine: '', place: 'commits: seen', from: 0, until: 30 })
    slows.push({ machine: '', place: 'begins to read', from: 0, until })
    slows.push({ machine: 'a worker', place: '', from: 0, until: until + 10 + random.below(30) })
    slows.push({ machine: '', place: 'does fill', from: 0, until: until + random.below(80) })
  }
  if (focus === 'turns') {
    // An epoch opens and is read while a writer waits for its turn.
    slows.push({ machine: 'A', place: 'enters', from: 0, until: 40 + random.below(60) })
    slows.push({ machine: '', place: 'begins to read', from: 0, until: 10 + random.below(40) })
  }
  if (focus === 'begins' || focus === 'loss') {
    const until = 40 + random.below(80)
    const place = random.pick(['sends COMMIT', 'sends COMMIT', 'commits: seen', 'locks the user'])
    slows.push({ machine: random.pick(machines), place, from: 0, until })
  }
  return slows
}

/** Each schedule has its own weights, its own kind of faults, and some things that are slow. */
export function byChance(focus: Focus, random: Random): Choose {
  const ofTime = isOfTime(focus) ? random.pick([0.01, 0.05]) : random.pick([0.02, 0.1, 0.3])
  const ofFaults = random.pick([0.02, 0.1, 0.2])
  const faults = random.pick(faultsOf[focus])
  const slows = slowsOf(focus, random)
  let taken = 0
  const isSlow = ({ name }: Step): boolean =>
    slows.some(
      ({ machine, place, from, until }) =>
        taken >= from && taken < until && name.startsWith(machine) && name.includes(place),
    )
  const fit = (step: Step): boolean =>
    step.kind === 'go' ? !isSlow(step) : step.kind === 'time' || faults.test(step.name)
  return (offers) => {
    taken += 1
    const wanted = random.chance(ofFaults) ? 'fault' : random.chance(ofTime) ? 'time' : 'go'
    for (const kind of [wanted, ...order] as const) {
      const steps = offers(kind).filter(fit)
      // Most often to what is due, or leases would hardly ever last.
      if (kind === 'time' && steps[0] && random.chance(0.8)) return steps[0]
      if (steps.length > 0) return steps[random.below(steps.length)] ?? null
    }
    return offers('go')[0] ?? null
  }
}
