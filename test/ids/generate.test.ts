import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createGenerator, following, kernelRandom } from '../../src/ids/generate.ts'
import type { Micros } from '../../src/time.ts'

test('the places of ids rise, whatever the clock does and however many there are', () => {
  const random = new Uint8Array(16).fill(0xff)
  const start = following({ msecs: 5, count: 9 }, 6, random)
  assert.deepEqual(start, { msecs: 6, count: 0x1fff }, 'in the lower half, with room above it')
  assert.deepEqual(following(start, 6, random), { msecs: 6, count: 0x2000 })
  assert.deepEqual(following({ msecs: 6, count: 41 }, 2, random), { msecs: 6, count: 42 })
  const full = { msecs: 6, count: 0x3fff }
  assert.deepEqual(following(full, 6, random), { msecs: 7, count: 0x1fff }, 'ahead of the clock')
  assert.deepEqual(following(full, 2, random), { msecs: 7, count: 0x1fff }, 'never back with it')
  assert.deepEqual(
    following(full, 9, random),
    { msecs: 9, count: 0x1fff },
    'the clock has caught up',
  )
})

/** A generator whose clock stands where it is put, and that tells how often it drew. */
function createWatched() {
  const clock = { msecs: 1_000_000 }
  let draws = 0
  const generate = createGenerator(
    { now: () => (BigInt(clock.msecs) * 1_000n) as Micros },
    (bytes) => {
      draws += 1
      kernelRandom(bytes)
    },
  )
  return { clock, generate, draws: () => draws }
}

test('each bit of the layout stands where RFC 9562 and docs/ids.md say', () => {
  const last = createGenerator({ now: () => (0x0123_4567_89abn * 1_000n) as Micros }, (bytes) => {
    bytes.fill(0xff)
  })
  assert.equal(last(), '01234567-89ab-77ff-bfff-ffffffffffff')
  const first = createGenerator({ now: () => (0x0123_4567_89abn * 1_000n) as Micros }, (bytes) => {
    bytes.fill(0)
  })
  assert.equal(first(), '01234567-89ab-7000-8000-000000000000')
  assert.equal(first(), '01234567-89ab-7000-9000-000000000000')
  for (let count = 2; count < 7; count += 1) first()
  assert.equal(first(), '01234567-89ab-7001-b000-000000000000')
})

test('512 ids share a draw of random bytes, and the next one draws anew', () => {
  const { generate, draws } = createWatched()
  for (let id = 0; id < 512; id += 1) generate()
  assert.equal(draws(), 1)
  generate()
  assert.equal(draws(), 2)
})

test('random bytes that were drawn more than a second ago, or in the future, are not used', () => {
  const { clock, generate, draws } = createWatched()
  generate()
  clock.msecs += 1_000
  generate()
  assert.equal(draws(), 1)
  clock.msecs += 1
  generate()
  assert.equal(draws(), 2)
  clock.msecs -= 3_600_000
  generate()
  assert.equal(draws(), 3)
})

test('the kernel fills all bytes, of any number', () => {
  for (const length of [0, 1, 16, 8_192, 1_000_003]) {
    const bytes = new Uint8Array(length)
    kernelRandom(bytes)
    const tail = bytes.subarray(-16)
    assert(length < 16 || tail.some((byte) => byte !== 0), `${length}: the end was left out`)
  }
})
