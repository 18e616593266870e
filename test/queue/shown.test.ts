import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { createRandom, seedOf } from '../chaos/kit/random.ts'
import { oneForAll } from '../../src/queue/shown.ts'

const ASKS = 300
const SPAN_MS = 400
const LOOK_MS = 15

test('one look at a time is for all who asked before it began, and for nobody else', async (t) => {
  const random = createRandom(seedOf(t))
  const looks: { began: number; failed: boolean }[] = []
  let steps = 0
  let looking = false
  const shown = oneForAll(async () => {
    assert(!looking, 'two looks at once')
    looking = true
    const look = { began: ++steps, failed: random.chance(0.3) }
    await sleep(random.below(LOOK_MS))
    looks.push(look)
    looking = false
    if (look.failed) throw new Error(`look ${look.began}`)
  })
  const asks = Array.from({ length: ASKS }, async () => {
    await sleep(random.below(SPAN_MS))
    const asked = ++steps
    const heard = await shown().then(
      () => null,
      (error: unknown) => (error instanceof Error ? error.message : assert.fail()),
    )
    // The last that ended is the one that answered: no other can have ended since.
    const last = looks.at(-1)
    assert(last && last.began > asked, 'it began before this was asked')
    assert.equal(heard, last.failed ? `look ${last.began}` : null)
  })
  await Promise.all(asks)
  assert(looks.length < ASKS / 2, 'looks are shared')
})
