import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { createRandom, seedOf } from '../chaos/kit/random.ts'
import type { Random } from '../chaos/kit/random.ts'
import { startWorld } from '../kit/world.ts'
import { redis } from './kit/redis.ts'
import { startLoad } from './live/drive.ts'
import type { Live } from './live/drive.ts'
import { startPlain, startWithSentinel } from './live/faults.ts'
import type { Breakable } from './live/faults.ts'
import { OF_FENCE } from './live/insist.ts'
import { writeResults } from './live/results.ts'
import type { Run } from './live/results.ts'
import type { Told } from './live/server.ts'

/**
 * Goal: no read that starts after an answer was heard shows an older state, whatever befalls Redis.
 * Method: two servers pay, rename and read; every read notes first what anybody has heard. Longer:
 * `npm run chaos:cache`, for 5,000,000 reads (CACHE_READS), which writes CACHE_RESULTS. One way of
 * breaking alone: CACHE_WAY, a part of its title.
 */
const { CACHE_READS, CACHE_RESULTS, CACHE_WAY = '' } = process.env
const READS_MIN = Number(CACHE_READS ?? 0)
const SHORT_MS = 14_000
const SHORT_MAX_MS = 90_000
const CALM_MS = 500
const WAITS_MAX = 20
/** In the long form, copies also answer for a while that is a matter of chance. */
const CALM_MAX_MS = READS_MIN > 0 ? 6_000 : 1
const HITS_BETWEEN = 100
const HITS_MIN = 300
/** Each of two servers sees each epoch begin. */
const TURNS_MIN = 4
const TELL_EVERY = 10
/** A wrong cache shows within the first reads. */
const WRONG_MAX_MS = 60_000

const ways: Readonly<Record<string, () => Promise<Breakable>>> = {
  'killed, flushed, paused, cut off, full, a replica in between': startPlain,
  'failed over by Sentinel': startWithSentinel,
}
const asked = Object.entries(ways).filter(([title]) => title.includes(CACHE_WAY))
const runs: Run[] = []

suite('reads under load while Redis breaks', { skip: redis.missing ?? false }, () => {
  for (const [title, start] of asked) {
    test(title, async (t) => {
      const seed = seedOf(t)
      const world = await startWorld()
      const breakable = await start()
      const live = await startLoad(world, breakable.places, { fences: true })
      const began = performance.now()
      const faults = await breakAll(live, breakable, createRandom(seed))
      const told = await live.stop()
      const seconds = (performance.now() - began) / 1_000
      t.diagnostic(printed(told))
      t.diagnostic(JSON.stringify(Object.fromEntries(faults)))
      runs.push({ title, seed, seconds, faults, told })
      if (CACHE_RESULTS) await writeResults(CACHE_RESULTS, runs, READS_MIN)
      await breakable.stop()
      await world.end()
      assert.deepEqual(told.stale, [])
      assert.deepEqual(told.failed.slice(0, 20), [], 'what may pass was asked again, and passed')
      const refused = Object.keys(told.counts).filter((name) => name.endsWith(OF_FENCE))
      assert.deepEqual(refused, [], 'nobody was refused for what befell Redis, not even at first')
      assert(hitsOf(told) > HITS_MIN, 'a run with hardly a hit proves nothing')
      assert(turnsOf(told) >= TURNS_MIN, 'epochs turned')
      assert(told.payments > 0)
    })
  }

  test('servers that raise no floors are found out', async (t) => {
    const world = await startWorld()
    const breakable = await startPlain()
    const live = await startLoad(world, breakable.places, { fences: false })
    const end = performance.now() + WRONG_MAX_MS
    let told = await live.told()
    while (told.stale.length === 0 && performance.now() < end) told = await live.told()
    await live.stop()
    t.diagnostic(`after ${told.reads} reads: ${told.stale[0]}`)
    await breakable.stop()
    await world.end()
    assert(told.stale.length > 0)
  })
})

/** One fault after the other. @returns how often each was done. */
async function breakAll(
  live: Live,
  breakable: Breakable,
  random: Random,
): Promise<ReadonlyMap<string, number>> {
  const faults = new Map<string, number>()
  const began = performance.now()
  let told = await live.told()
  for (let round = 1; goesOn(told, performance.now() - began); round++) {
    // Copies answer again before the next fault, or it would meet nothing.
    const hits = hitsOf(told)
    for (let waits = 0; waits < WAITS_MAX && hitsOf(told) < hits + HITS_BETWEEN; waits++) {
      await sleep(CALM_MS)
      told = await live.told()
    }
    await sleep(random.below(CALM_MAX_MS))
    const fault = await breakable.break(random, live)
    faults.set(fault, (faults.get(fault) ?? 0) + 1)
    told = await live.told()
    if (told.stale.length > 0) break
    if (READS_MIN > 0 && round % TELL_EVERY === 1) console.log(printed(told))
  }
  return faults
}

function goesOn(told: Told, ms: number): boolean {
  const wanted = READS_MIN / asked.length
  const enough = told.reads >= wanted && hitsOf(told) > HITS_MIN && turnsOf(told) >= TURNS_MIN
  return ms < SHORT_MS || (!enough && (READS_MIN > 0 || ms < SHORT_MAX_MS))
}

const hitsOf = ({ counts }: Told): number => counts['hit'] ?? 0
const turnsOf = ({ counts }: Told): number => counts['epoch on'] ?? 0

function printed({ reads, payments, failed, stale, counts }: Told): string {
  const ratio = reads > 0 ? Math.round((100 * (counts['hit'] ?? 0)) / reads) : 0
  const epochs = counts['epoch on'] ?? 0
  const told = `${reads} reads, ${ratio}% hits, ${payments} payments, ${epochs} turns on`
  return `${told}, ${failed.length} failed, ${stale.length} stale; ${JSON.stringify(counts)}`
}
