import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import * as fc from 'fast-check'
import { createGate } from '../../../src/auth/directories/gate.ts'
import { AppError } from '../../../src/errors.ts'

const outcome = fc.constantFrom('succeeds', 'fails')
const wave = fc.array(outcome, { maxLength: 12 })
const room = fc.record({ atOnce: fc.integer({ min: 1, max: 4 }), waiting: fc.nat(6) })

test('never more than a few at once, in the order they came, wave after wave', async () => {
  const waves = fc.array(wave, { minLength: 1, maxLength: 3 })
  await fc.assert(
    fc.asyncProperty(fc.scheduler(), room, waves, async (s, { atOnce, waiting }, waves) => {
      const gate = createGate({ atOnce, waiting, rests: 0 })
      for (const works of waves) {
        const begun: number[] = []
        let running = 0
        const work = async (outcome: string, place: number) => {
          begun.push(place)
          running++
          assert(running <= atOnce)
          await s.schedule(Promise.resolve())
          running--
          if (outcome === 'fails') throw new Error('its own')
        }
        const all = works.map((outcome, place) => gate(async () => await work(outcome, place)))
        const settled = await s.waitFor(Promise.allSettled(all))

        const expected = works.map((outcome, place) => {
          if (place >= atOnce + waiting) return 'overloaded'
          return outcome === 'fails' ? 'its own' : 'done'
        })
        assert.deepEqual(settled.map(heard), expected)
        assert.deepEqual(begun, [...works.slice(0, atOnce + waiting).keys()])
      }
    }),
  )
})

function heard(result: PromiseSettledResult<void>): string {
  if (result.status === 'fulfilled') return 'done'
  return result.reason instanceof AppError ? result.reason.code : String(result.reason.message)
}

test('a place rests for as long as it is told, and its work is answered before', async () => {
  const gate = createGate({ atOnce: 1, waiting: 2, rests: 3 })
  const took: number[] = []
  const work = async () => {
    const startedAt = performance.now()
    await sleep(20)
    took.push(performance.now() - startedAt)
    return performance.now()
  }
  const [first, second] = [gate(work), gate(work)]
  const gap = (await second) - (await first)
  const [one = 0, two = 0] = took
  // A timer may be early by a millisecond.
  assert(gap >= 3 * one + two - 2, `${gap} after ${one} and ${two}`)
})

test('who finds the room full hears by when all before will have had their turn', async () => {
  const gate = createGate({ atOnce: 1, waiting: 3, rests: 0 })
  await gate(async () => await sleep(1_000))
  const waiting = Array.from({ length: 4 }, async () => await gate(async () => await sleep(1)))
  await assert.rejects(
    gate(async () => await sleep(1)),
    (error) => {
      assert(error instanceof AppError)
      assert.deepEqual(error.facts, { retryAfterSeconds: 1 })
      return true
    },
  )
  await Promise.all(waiting)
})
