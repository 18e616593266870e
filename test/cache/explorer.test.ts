import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createRandom, seedOf } from '../chaos/kit/random.ts'
import { beginningOf, byChance } from './explore/chance.ts'
import { exploreAll, exploreAtRandom } from './explore/explorer.ts'
import { plainBeginnings } from './explore/plain.ts'
import { protocol } from './explore/protocol.ts'
import { TURNS } from './explore/scheduler.ts'
import { variantOf, wrongs } from './explore/variants.ts'
import { play } from './explore/world.ts'

/**
 * Goal: a read that starts after an answer was heard never shows an older state.
 * Method: the modules of src/cache run between a Redis, a database and clocks that do one step at a
 * time, in orders that nobody would think of. `npm run explore` does a million of them.
 */
const RANDOM_MS = 5_000
/** One seed for all wrong variants: whether they are found must not be a matter of luck. */
const WRONG_SEED = 1
const WRONG_SCHEDULES_MAX = 12_000

test('no schedule of some seconds shows a stale read', async (t) => {
  const seed = seedOf(t)
  const found = await exploreAtRandom({ protocol }, { seed, forMs: RANDOM_MS })
  t.diagnostic(`${found.schedules} schedules, ${found.reads} reads, ${found.hits} of them hits`)
  assert.equal(found.stale?.what, undefined, found.stale?.trace.join('\n'))
  assert(found.hits > 0 && found.commits > 0 && found.reopened > 0, 'nothing was tried')
  assert(found.behind > 0, 'nothing was left behind')
})

for (const [title, start] of Object.entries(plainBeginnings)) {
  test(`every schedule with one step out of order is right: ${title}`, async (t) => {
    const found = await exploreAll({ protocol }, start, { deviations: 1 })
    t.diagnostic(`${found.schedules} schedules`)
    assert.equal(found.stale?.what, undefined, found.stale?.trace.join('\n'))
    assert(found.whole)
    assert(found.hits > 0 && found.commits > 0, 'nothing was tried')
  })
}

for (const wrong of wrongs) {
  test(`found to be wrong: ${wrong.title}`, async (t) => {
    const { focus } = wrong
    const options = { seed: WRONG_SEED, focus, schedules: WRONG_SCHEDULES_MAX }
    const found = await exploreAtRandom(await variantOf(wrong), options)
    assert(found.stale, `not within ${WRONG_SCHEDULES_MAX} schedules`)
    t.diagnostic(`in schedule ${found.schedules}: ${found.stale.what}`)
  })
}

test('a step ends before the next one begins', async () => {
  for (let seed = 0; seed < 60; seed++) {
    const traces = []
    for (const turns of [TURNS, 3 * TURNS]) {
      const random = createRandom(seed)
      const start = beginningOf('anything', random)
      const { trace } = await play({ protocol }, start, byChance('anything', random), turns)
      traces.push(trace)
    }
    assert.deepEqual(traces[0], traces[1])
  }
})
