import assert from 'node:assert/strict'
import { test } from 'node:test'
import { newId } from '../../../../src/ids/ids.ts'
import { readChecks } from '../../../../src/ops/audit.ts'
import { createRandom } from '../../kit/random.ts'
import type { Episode } from '../faults/nemesis.ts'
import { faultNamed, faults } from '../faults/table.ts'
import { TOKEN_REFUSED } from '../load/app.ts'
import type { Line } from '../load/history.ts'
import { readPlan } from '../plan.ts'
import type { Times } from '../plan.ts'
import { wrongs } from './judge.ts'
import type { Verdict, Wrong } from './judge.ts'
import { barsOf, tell } from './report.ts'
import type { Audited } from './report.ts'

const user = newId('user')

/** Customers pay, one behind the other, each with so many attempts. */
function payments(
  times: readonly number[],
  attempts: number,
  end = 'ECONNREFUSED',
  declineReason: string | null = null,
): readonly Line[] {
  return times.map((ended): Line => {
    const tried = Array.from({ length: attempts }, () => {
      return { api: 'one', began: ended - 5, ended, end }
    })
    const said = { caller: user, key: `${ended}`, kind: 'payment', payee: user, cents: 1n } as const
    const timed = { began: ended - 5, ended }
    const status = declineReason === null ? 'accepted' : 'declined'
    const answer = { id: newId('txn'), status, declineReason } as const
    return { what: 'move', heard: { ...said, ...timed, answer }, ...timed, attempts: tried }
  })
}

/** Payments to nobody: they are refused, and nothing is written. */
function refusals(times: readonly number[]): readonly Line[] {
  return payments(times, 1).map((line) =>
    line.what === 'move' ? { ...line, heard: { ...line.heard, answer: null } } : line,
  )
}

function signIns(times: readonly number[], attempts: number): readonly Line[] {
  return payments(times, attempts).map(({ began, ended, attempts: tried }) => {
    return { what: 'sign-in', user, began, ended, attempts: tried }
  })
}

function episode(name: string, to: number, missing: string | null = null): Episode {
  return { faults: [faultNamed(name)], victims: ['one'], span: { from: 0, to }, healed: 1, missing }
}

function verdict(wrong: Wrong | null): Verdict {
  const of = (kind: Wrong): readonly string[] => (kind === wrong ? ['it'] : [])
  const all = wrongs.map((kind) => [kind, of(kind)] as const)
  const counts = { moves: 1, accepted: 1, reads: 1, recalls: 1, signIns: 1, unasked: 0 }
  return { ...counts, wrong: Object.fromEntries(all) as Record<Wrong, readonly string[]> }
}

type Run = Readonly<{
  verdict: Verdict
  audit: Audited
  impossible: readonly string[]
  left: readonly string[]
  promotions: number | null
  failovers: boolean
  times: Times
}>

const whole: Run = {
  verdict: verdict(null),
  audit: { checks: 16, offences: [] },
  impossible: [],
  left: [],
  promotions: 0,
  failovers: false,
  times: 'judged',
}

function barsIn(episodes: readonly Episode[], lines: readonly Line[], run: Partial<Run> = {}) {
  const { impossible, left, promotions, verdict, audit, ...plan } = { ...whole, ...run }
  const told = episodes.map((one) => tell(one, lines))
  return barsOf({ told, impossible, left, promotions }, verdict, audit, plan)
}

/** The bars that are missed. */
function missed(episodes: readonly Episode[], lines: readonly Line[], run: Partial<Run> = {}) {
  const bars = barsIn(episodes, lines, run).filter(({ passes }) => !passes)
  return bars.map(({ name }) => name)
}

/** How bars stand that are missed when times are judged, in a run that only shows them. */
function shown(episodes: readonly Episode[], lines: readonly Line[]) {
  const bars = barsIn(episodes, lines, { times: 'shown' })
  const ofTimes = bars.filter(({ name }) => name !== 'faults')
  return ofTimes.flatMap(({ passes, slow }) => {
    return passes && !slow ? [] : slow ? ['slow'] : ['missed']
  })
}

const every = (ms: number): readonly number[] =>
  Array.from({ length: Math.ceil(20_000 / ms) }, (_, index) => (index + 1) * ms)

test('each wrong answer misses its bar', () => {
  const calm = [episode('worker paused', 10_000)]
  for (const wrong of wrongs) {
    assert.deepEqual(missed(calm, [], { verdict: verdict(wrong) }), [wrong])
  }
  assert.deepEqual(missed(calm, []), [])
})

test('a run in which nothing was broken, asked or audited passes nothing', () => {
  const calm = [episode('worker paused', 10_000)]
  assert.deepEqual(missed([], []), ['times something was broken'])
  for (const [counted, bar] of [
    ['accepted', 'payments and transfers accepted'],
    ['reads', 'reads'],
    ['recalls', 'questions what came of a key'],
    ['signIns', 'sign-ins'],
  ] as const) {
    assert.deepEqual(missed(calm, [], { verdict: { ...verdict(null), [counted]: 0 } }), [bar])
  }
  const [unseen] = missed(calm, [], { audit: { checks: 15, offences: [] } })
  assert.equal(unseen, 'invariants that the audit looked at')
  assert.equal(readChecks().length, 16)
  const [broken] = missed(calm, [], { audit: { checks: 16, offences: ['a row'] } })
  assert.equal(broken, 'invariants broken in the audit')
})

test('what was never possible misses a bar, what was possible at another time does not', () => {
  const calm = [episode('worker paused', 10_000)]
  const [bar] = missed(calm, [], { impossible: ['disk of a standby full'] })
  assert.match(bar ?? '', /not possible/)
  assert.deepEqual(missed(calm, [], { impossible: ['worker paused'] }), [])
})

test('where primaries are killed to see failovers, each one must have brought one', () => {
  const death = episode('primary, as with its host, killed', 5_000)
  const lines = payments(every(500), 1)
  const run = { failovers: true, promotions: 1 }
  assert.deepEqual(missed([death, death], lines, { ...run, promotions: 2 }), [])
  for (const promotions of [1, null]) {
    const [bar] = missed([death, death], lines, { ...run, promotions })
    assert.equal(bar, 'times a standby became the primary')
  }
})

test('a token that is refused before its time misses a bar, but for clocks that jump', () => {
  const refused = payments(every(500), 2, TOKEN_REFUSED)
  const [bar] = missed([episode('worker paused', 10_000)], refused)
  assert.match(bar ?? '', /tokens refused/)
  assert.deepEqual(missed([episode('clock of a server jumps an hour ahead', 10_000)], refused), [])
})

test('a sign-in that fails counts as much as a payment', () => {
  const gone = [episode('balancer gone', 10_000)]
  const paying = payments(every(500), 1)
  assert.deepEqual(missed(gone, [...paying, ...signIns(every(500), 2)]), [])
  const [bar] = missed(gone, [...paying, ...signIns(every(500), 3)])
  assert.match(bar ?? '', /failed after one retry/)
})

test('a refusal is no write, a decline is one', () => {
  const death = [episode('primary, as with its host, killed', 19_000)]
  const few = payments([1, 15_100, 19_000, 21_000], 1)
  const [bar] = missed(death, [...few, ...refusals(every(500))])
  assert.match(bar ?? '', /longest without a write/)
  const declined = payments(every(500), 1, 'x', 'insufficient_funds')
  assert.deepEqual(missed(death, [...few, ...declined]), [])
})

test('after the death of a server or a balancer a request may fail once, not once more', () => {
  for (const name of ['server killed', 'balancer killed']) {
    assert.deepEqual(missed([episode(name, 10_000)], payments(every(500), 2)), [])
    const [bar] = missed([episode(name, 10_000)], payments(every(500), 3))
    assert.match(bar ?? '', /failed after one retry/)
  }
})

test('while Redis is away no request may fail at all', () => {
  assert.deepEqual(missed([episode('Redis master killed', 10_000)], payments(every(500), 1)), [])
  const [bar] = missed([episode('Redis master killed', 10_000)], payments(every(500), 2))
  assert.match(bar ?? '', /failed once/)
})

test('after the death of a primary money moves again within fifteen seconds', () => {
  const death = episode('primary, as with its host, killed', 19_000)
  assert.deepEqual(missed([death], payments([1, 14_900, 19_000, 21_000], 9)), [])
  const [bar] = missed([death], payments([1, 15_100, 19_000, 21_000], 9))
  assert.match(bar ?? '', /longest without a write/)
})

test('where times are only shown, what was refused still misses its bar, and what took too long does not', () => {
  for (const [name, attempts] of [
    ['server killed', 3],
    ['Redis master killed', 2],
  ] as const) {
    const at = [episode(name, 10_000)]
    assert.deepEqual(shown(at, payments(every(500), attempts)), ['missed'])
    assert.deepEqual(shown(at, payments(every(500), attempts, 'TimeoutError')), ['slow'])
    assert.equal(missed(at, payments(every(500), attempts, 'TimeoutError')).length, 1)
  }
  const death = episode('primary, as with its host, killed', 19_000)
  assert.deepEqual(shown([death], payments([1, 15_100, 19_000, 21_000], 9)), ['slow'])
  const long = episode('primary, as with its host, killed', 60_000)
  assert.deepEqual(shown([long], payments([1, 44_900, 59_000, 61_000], 9)), ['slow'])
  assert.deepEqual(shown([long], payments([1, 45_100, 59_000, 61_000], 9)), ['missed'])
})

test('what there was no time for misses a bar; the short form must have done four things', () => {
  const names = ['server killed', 'balancer gone', 'Redis master killed', 'worker paused']
  const all = names.map((name) => episode(name, 10_000))
  const lines = payments(every(500), 1)
  assert.deepEqual(missed(all, lines), [])
  const [bar] = missed(all, lines, { left: ['auth layer paused'] })
  assert.equal(bar, 'faults that were meant, and not reached in time')
  const short = { times: 'shown', left: ['auth layer paused'] } as const
  assert.deepEqual(missed(all, lines, short), [])
  assert.deepEqual(missed(all.slice(1), lines, short), ['faults'])
})

test('a cluster that does not become whole by itself misses a bar', () => {
  const stuck = episode('worker paused', 10_000, 'worker-1: no answer')
  assert.deepEqual(missed([stuck], payments(every(500), 1)), [
    'times the cluster did not heal by itself',
  ])
})

/** The faults of a long run with that seed, in their order, until each has had its turn. */
function order(seed: number): readonly string[] {
  const plan = readPlan({ CHAOS_MINUTES: '1', CHAOS_SEED: `${seed}` })
  const random = createRandom(plan.seed)
  const names: string[] = []
  while (names.length < faults.length) {
    const [one, other] = plan.next(0, random) ?? []
    assert.equal(other, undefined)
    names.push(one?.name ?? assert.fail('it ends too soon'))
  }
  assert.deepEqual(plan.left(), [])
  assert.equal(plan.next(60_001, random), null)
  return names
}

test('a long run does everything once, alone, before it does anything twice, by the seed', () => {
  assert.equal(new Set(order(1)).size, faults.length)
  assert.deepEqual(order(1), order(1))
  assert.notDeepEqual(order(1), order(2))
})

test('the short form ends in time on a slow machine, and says what it did not reach', () => {
  const plan = readPlan({ CHAOS_FORM: 'short', CHAOS_SEED: '1' })
  const random = createRandom(plan.seed)
  assert.equal(plan.left().length, 8)
  assert.equal(plan.next(0, random)?.length, 1)
  assert.equal(plan.next(150_000, random), null)
  assert.equal(plan.left().length, 7)
})

test('a fault that nobody knows, and a number that is none, are refused', () => {
  assert.throws(
    () => readPlan({ CHAOS_FAULTS: 'server killed; sun goes out' }),
    /no fault sun goes/,
  )
  assert.throws(() => readPlan({ CHAOS_MINUTES: 'ten' }), /CHAOS_MINUTES must be a whole number/)
})
