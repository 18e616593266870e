import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createLimit } from '../../../src/http/admission/limit.ts'
import { quantile } from '../../../bench/samples.ts'

type Load = Readonly<{
  /** What the server can answer in a second, one after the other, however many wait. */
  answers: number
  /** As a batch commits: all that wait are answered together, so often. Default: one by one. */
  everyMs?: number
  perSecond: number
  seconds: number
}>

/** As the timer does. */
const TIDY_EVERY_MS = 250

/** A server whose only queue is behind the limit, in a time of its own. */
function openServer() {
  let now = 0
  const limit = createLimit(() => now)
  const inside: number[] = []
  let [refused, mostWaiting] = [0, 0]

  function arrive(): void {
    const since = now
    const isWelcome =
      limit.hasRoom() &&
      limit.enter((isIn) => {
        if (isIn) inside.push(since)
        else refused += 1
      })
    if (!isWelcome) refused += 1
    mostWaiting = Math.max(mostWaiting, limit.counts().waiting)
  }

  /** Runs for so long, and tells how it went. */
  function run({ answers, everyMs = 1, perSecond, seconds }: Load) {
    const waits: number[] = []
    const start = now
    const refusedBefore = refused
    let [arrived, credit] = [0, 0]
    while (now - start < seconds * 1_000) {
      now += 1
      for (; arrived < Math.floor(((now - start) * perSecond) / 1_000); arrived += 1) arrive()
      if (now % TIDY_EVERY_MS === 0) limit.tidy()
      credit += answers / 1_000
      if (now % everyMs !== 0) continue
      const batch = inside.splice(0, Math.floor(credit))
      // Who had nothing to do has not saved it up.
      credit = inside.length === 0 ? 0 : credit - batch.length
      for (const since of batch) {
        waits.push(now - since)
        limit.leave(true)
      }
    }
    waits.sort((a, b) => a - b)
    const [p99, longest] = [quantile(waits, 0.99), waits.at(-1) ?? 0]
    return { refused: refused - refusedBefore, answered: waits.length, p99, longest }
  }

  /** So many at once. */
  function burst(count: number): void {
    for (let number = 0; number < count; number += 1) arrive()
  }
  const counted = () => ({ refused, mostWaiting })
  return { limit, run, burst, counted, pass: (ms: number) => (now += ms) }
}

for (const answers of [500, 2_000, 5_000]) {
  for (const everyMs of [1, 100]) {
    const title = `${answers}/s, answered every ${everyMs} ms`
    test(`at five times what a server can do, nobody inside waits long: ${title}`, () => {
      const { run } = openServer()
      run({ answers, everyMs, perSecond: answers / 4, seconds: 5 })
      const load = { answers, everyMs, perSecond: answers * 5 }
      const { p99, answered } = run({ ...load, seconds: 30 })
      assert(p99 < 900, `99 of 100 wait less than ${p99} ms`)
      assert(answered > answers * 30 * 0.97, `and the server is never idle: ${answered}`)
      const later = run({ ...load, seconds: 10 })
      assert(later.p99 < 400, `and later less than ${later.p99} ms`)
    })
  }
}

test('what a server can do is not refused, and comes in at once after a flood', () => {
  for (const answers of [200, 2_000, 5_000]) {
    const { run } = openServer()
    const busy = { answers, everyMs: 50, perSecond: answers * 0.9 }
    const grown = [0.25, 0.5].map((share) => {
      return run({ ...busy, perSecond: answers * share, seconds: 3 }).refused
    })
    assert.deepEqual([...grown, run({ ...busy, seconds: 20 }).refused], [0, 0, 0], 'after nothing')
    run({ ...busy, perSecond: answers * 5, seconds: 20 })
    run({ ...busy, perSecond: answers * 0.25, seconds: 1 })
    assert.equal(run({ ...busy, seconds: 20 }).refused, 0, 'after a flood')
  }
})

test('a calm load on a machine of which each answer takes its time is not refused', () => {
  // Sixty wait at any time.
  const { run } = openServer()
  assert.equal(run({ answers: 1_000, everyMs: 3_000, perSecond: 20, seconds: 60 }).refused, 0)
})

test('three hundred at once have their turn, also where that takes a while', () => {
  for (const answers of [200, 1_000, 5_000]) {
    const { run, burst, counted, limit } = openServer()
    for (const _time of ['once', 'and again']) {
      burst(300)
      run({ answers, perSecond: 0, seconds: 4 })
      assert.equal(counted().refused, 0)
      assert.equal(limit.counts().inside, 0)
    }
  }
})

test('three hundred that take their time to come are welcome, too', () => {
  const { run, counted } = openServer()
  run({ answers: 100, perSecond: 150, seconds: 2 })
  assert.equal(counted().refused, 0)
})

test('whoever is answered in a flood has not waited long before it was let in', () => {
  for (const answers of [150, 300, 1_000]) {
    const { run } = openServer()
    const { longest } = run({ answers, perSecond: answers * 5, seconds: 5 })
    // In line for 400 ms; inside for as long as 64 take, or for 200 ms.
    const inside = Math.max(200, (64 / answers) * 1_000)
    assert(longest < 450 + inside * 1.5, `${longest} ms at ${answers}/s`)
  }
})

test('who waited longest gives way to newcomers, and nobody waits for ever', () => {
  const { run, burst, counted, limit, pass } = openServer()
  burst(400)
  assert.deepEqual(limit.counts(), {
    inside: 64,
    limit: 64,
    waiting: 336,
    admitted: 64,
    refused: 0,
  })
  pass(300)
  burst(1)
  assert.equal(limit.counts().waiting, 336, 'who has waited for 300 ms keeps the turn')
  pass(101)
  const kept = counted().refused
  burst(1)
  assert.equal(limit.counts().waiting, 336)
  assert.equal(counted().refused - kept, 1, 'and loses it later, one to each newcomer')
  const { refused } = counted()
  run({ answers: 0, perSecond: 0, seconds: 2 })
  assert.equal(limit.counts().waiting, 1, 'the newcomer')
  assert.equal(counted().refused - refused, 335)
  run({ answers: 0, perSecond: 0, seconds: 1 })
  assert.equal(limit.counts().waiting, 0)
})

test('of a crowd that lasts, half as many wait as may be inside', () => {
  const { run, limit } = openServer()
  run({ answers: 1_000, perSecond: 5_000, seconds: 5 })
  const { waiting } = limit.counts()
  assert(waiting > 50 && waiting <= 100, `${waiting}`)
})

test('a load of ninety-six callers who wait for their answers is never refused', () => {
  for (const answers of [150, 300, 3_000]) {
    let now = 0
    const limit = createLimit(() => now)
    const inside: true[] = []
    const call = (): void =>
      assert(limit.hasRoom() && limit.enter((isIn) => inside.push(asTrue(isIn))))
    for (let caller = 0; caller < 96; caller += 1) call()
    for (let answer = 0; answer < answers * 10; answer += 1) {
      now += 1_000 / answers
      inside.pop()
      limit.leave(true)
      call()
    }
    assert.equal(limit.counts().refused, 0)
  }
})

function asTrue(isIn: boolean): true {
  assert(isIn)
  return isIn
}

test('refusals do not count as answers', () => {
  let now = 0
  const limit = createLimit(() => now)
  for (let number = 0; number < 5_000; number += 1) {
    limit.enter(() => undefined)
    limit.leave(false)
    now += 1
  }
  assert.equal(limit.counts().limit, 64)
})

test('while nothing is answered, no more than a crowd is in the house', () => {
  const { run, limit, counted } = openServer()
  run({ answers: 0, perSecond: 5_000, seconds: 30 })
  const { inside, admitted, waiting } = limit.counts()
  assert.deepEqual([inside, admitted], [64, 64])
  assert(waiting <= 32, `${waiting}`)
  assert(counted().mostWaiting <= 400 - 64)
})

test('however fast a server is, no more than two thousand are inside', () => {
  const { run, limit } = openServer()
  run({ answers: 50_000, everyMs: 1_000, perSecond: 100_000, seconds: 10 })
  assert(limit.counts().limit <= 2_000)
})

test('who may come in sends one away who has waited, and not before it comes in', () => {
  const { limit, burst, pass } = openServer()
  burst(100)
  pass(500)
  const { waiting } = limit.counts()
  assert(waiting > 2)
  assert(limit.hasRoom() && limit.hasRoom())
  assert.equal(limit.counts().waiting, waiting)
  const heard: boolean[] = []
  assert(limit.enter((isIn) => heard.push(isIn)))
  assert.deepEqual([limit.counts().waiting, heard], [waiting, []])
})
