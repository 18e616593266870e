import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, test } from 'node:test'
import { startWorld } from '../../../kit/world.ts'
import type { World } from '../../../kit/world.ts'
import { countTransactions } from '../../kit/books.ts'
import type { Line } from '../load/history.ts'
import { judge } from './judge.ts'

let world: World
before(async () => {
  world = await startWorld()
})
after(async () => await world.close())

test('a payment that nobody heard of is silence, and no second one', async () => {
  const [payer, payee] = [await world.rich(10_000n), await world.rich(100n)]
  const earlier = await countTransactions(world.pool, [payer, payee])
  const key = randomUUID()
  await world.pay(payer, payee, 100n, key)
  const timed = { began: 0, ended: 1, attempts: [] }
  const silence: Line = { what: 'silence', asked: 'POST /v1/transaction', key, ...timed }
  const { wrong } = await judge(world.pool, [silence], earlier)
  assert.equal(wrong.silence.length, 1)
  assert.deepEqual(wrong.doubled, [])
  // One that is no customer's is one too many.
  assert.equal((await judge(world.pool, [], earlier)).wrong.doubled.length, 1)
})
