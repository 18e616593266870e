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

/** A server whose only queue is behind the limit, in a time of its own. */
function openServer() {
  let now = 0
  const limit = createLimit(() => now)
  const queue: number[] = []

  /** Runs for so long, and tells how it went. */
  function run({ answers, everyMs = 1, perSecond, seconds }: Load) {
    const waits: number[] = []
    const start = now
    let [arrived, credit, refused] = [0, 0, 0]
    while (now - start < seconds * 1_000) {
      now += 1
      for (; arrived < ((now - start) * perSecond) / 1_000; arrived += 1) {
        if (limit.hasRoom() && limit.enter()) queue.push(now)
        else refused += 1
      }
      credit += answers / 1_000
      if (now % everyMs !== 0) continue
      const batch = queue.splice(0, Math.floor(credit))
      // Who had nothing to do has not saved it up.
      credit = queue.length === 0 ? 0 : credit - batch.length
      for (const since of batch) {
        waits.push(now - since)
        limit.leave()
      }
    }
    return {
      refused,
      answered: waits.length,
      p99: quantile(
        waits.sort((a, b) => a - b),
        0.99,
      ),
    }
  }

  /** So many at once. */
  function burst(count: number): number {
    let refused = 0
    for (let number = 0; number < count; number += 1) {
      if (limit.hasRoom() && limit.enter()) queue.push(now)
      else refused += 1
    }
    return refused
  }
  return { limit, run, burst, pass: (ms: number) => (now += ms) }
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
    assert.equal(run({ ...busy, seconds: 20 }).refused, 0, 'after nothing')
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

test('three hundred at once are let in by a server at rest, however slow it is', () => {
  for (const answers of [10, 100, 1_000]) {
    const { run, burst, limit } = openServer()
    assert.equal(burst(300), 0)
    run({ answers, perSecond: 0, seconds: 40 })
    assert.equal(limit.counts().inside, 0)
    assert.equal(burst(300), 0, 'and again')
  }
})

test('three hundred that take their time to come are let in, too', () => {
  const { burst, pass } = openServer()
  for (let number = 0; number < 300; number += 1) {
    assert.equal(burst(1), 0)
    pass(20)
  }
})

test('while nothing is answered, no more than a burst is inside', () => {
  const { run, limit } = openServer()
  run({ answers: 0, perSecond: 5_000, seconds: 30 })
  assert.deepEqual(limit.counts(), { inside: 400, limit: 64, admitted: 400, refused: 149_600 })
})

test('however fast a server is, no more than two thousand are inside', () => {
  const { run, limit } = openServer()
  run({ answers: 50_000, everyMs: 1_000, perSecond: 100_000, seconds: 10 })
  assert(limit.counts().limit <= 2_000)
})
