import assert from 'node:assert/strict'
import { createCipheriv } from 'node:crypto'
import { test } from 'node:test'
import { v7 } from 'uuid'
import { createGenerator, following, kernelRandom } from '../../src/ids/generate.ts'
import { MILLISECOND } from '../../src/time.ts'
import { examine } from './many/examine.ts'
import type { Findings } from './many/examine.ts'
import { machines, makeIds, ours } from './many/machines.ts'
import type { Machine, Way } from './many/machines.ts'
import { SIGMAS_MAX } from './many/randomness.ts'
import { makeInProcesses } from './many/run.ts'

/** `npm run ids` does the same with 2,500,000 in each process. */
const IDS_EACH = 200_000

test('8 processes with wrong clocks make no id twice, each in its order and time', async (t) => {
  const found = examine(await makeInProcesses(IDS_EACH))
  t.diagnostic(JSON.stringify(found))
  assert.equal(found.ids, 8 * IDS_EACH)
  assert.deepEqual(faults(found), [])
})

/** Enough to see each of the wrong ways below. */
const FEW_EACH = 40_000

test('the same examination passes our ids when they are fewer', () => {
  assert.deepEqual(faults(examineWay(ours)), [])
})

/** Random bytes that every machine draws alike: copies of one machine that woke up. */
function alike(): (bytes: Uint8Array) => void {
  const stream = createCipheriv('aes-128-ctr', Buffer.alloc(16), Buffer.alloc(16))
  return (bytes) => {
    bytes.set(stream.update(new Uint8Array(bytes.length)))
  }
}

function drawn(change: (bytes: Uint8Array) => void): Way {
  return (clock) => {
    return createGenerator(clock, (bytes) => {
      kernelRandom(bytes)
      change(bytes)
    })
  }
}

type Follow = typeof following

/** Ours, with another rule for what follows a place. */
function placed(follow: Follow): Way {
  return (clock) => {
    let last = { msecs: 0, count: 0 }
    return () => {
      const random = new Uint8Array(16)
      kernelRandom(random)
      last = follow(last, Number(clock.now() / MILLISECOND), random)
      const [a = 0, b = 0, c = 0] = random
      const bits = (a << 10) | (b << 2) | (c >> 6)
      return v7({ random, msecs: last.msecs, seq: (last.count << 18) | bits })
    }
  }
}

const stuck: Follow = (before, now, random) => {
  const place = following(before, now, random)
  return place.msecs === before.msecs ? before : place
}
const backwards: Follow = (before, now, random) => {
  return following(now < before.msecs ? { ...before, msecs: now } : before, now, random)
}

/** Each wrong way to make ids, and what must be found of it. */
const wrong: Readonly<Record<string, readonly [Way, readonly string[]]>> = {
  'one seed for all processes': [
    (clock) => createGenerator(clock, alike()),
    ['collisions', 'surprise'],
  ],
  'a count that does not advance': [placed(stuck), ['outOfOrder']],
  'a clock that is followed backwards': [placed(backwards), ['outOfOrder', 'outOfTime']],
  'no random bits': [drawn((bytes) => bytes.fill(0)), ['collisions', 'surprise']],
  'random bits dropped, but for 32': [
    drawn((bytes) => bytes.forEach((_, at) => (bytes[at] = at % 16 < 12 ? 0 : (bytes[at] ?? 0)))),
    ['surprise'],
  ],
  'a pool that is spent twice': [
    drawn((bytes) => bytes.copyWithin(bytes.length / 2, 0)),
    ['surprise'],
  ],
  'a bit that is set in 51 of 100': [
    drawn((bytes) => {
      for (let at = 12; at < bytes.length; at += 16) {
        if ((bytes[at - 6] ?? 0) < 6) bytes[at] = (bytes[at] ?? 0) | 4
      }
    }),
    ['surprise'],
  ],
}
for (const [what, [way, expected]] of Object.entries(wrong)) {
  test(`the examination finds ${what}`, (t) => {
    const found = examineWay(way)
    t.diagnostic(JSON.stringify(found))
    assert.deepEqual(faults(found), expected)
  })
}

function examineWay(way: Way): Findings {
  const names = Object.keys(machines) as Machine[]
  const made = names.map((machine) => {
    const portions: Buffer[] = []
    makeIds({ machine, count: FEW_EACH, way }, (bytes) => portions.push(Buffer.from(bytes)))
    return [machine, Buffer.concat(portions)] as const
  })
  return examine(new Map(made))
}

function faults({ collisions, outOfOrder, outOfTime, surprise }: Findings): readonly string[] {
  const isSurprising = Math.abs(surprise.sigmas) > SIGMAS_MAX
  return Object.entries({ collisions, outOfOrder, outOfTime, surprise: isSurprising ? 1 : 0 })
    .filter(([, times]) => times > 0)
    .map(([name]) => name)
}
