import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { inTransaction } from '../../src/db/tx.ts'
import { disagreementIn } from '../../src/ledger/commit.ts'
import type { Next } from '../../src/payments/ride/passenger.ts'
import { stateOf } from '../../src/payments/rules/state.ts'
import * as store from '../../src/payments/store.ts'
import { termsOf } from '../../src/payments/rules/view.ts'
import { systemClock } from '../../src/time.ts'
import { startWorld } from '../kit/world.ts'
import type { World } from '../kit/world.ts'

let world: World
before(async () => {
  world = await startWorld()
})
after(async () => await world.close())

test('of steps that were written together, one that stands elsewhere fails them all', async () => {
  const [payer, payee] = [await world.rich(1_000n), await world.person()]
  const rows = await Promise.all(
    [1n, 2n].map(async (cents) => {
      const { transactionId } = await world.pay(payer, payee, cents)
      const row = await store.findTransactionById(world.pool, transactionId)
      assert(row)
      return row
    }),
  )
  const [first, second] = rows
  assert(first && second)
  const stepOf = (row: typeof first, from: Next['from']): Next => ({
    is: 'next',
    terms: termsOf(row),
    bankAccount: null,
    from,
    to: 'declined',
    declineReason: 'insufficient_funds',
    until: null,
    jobs: [],
  })
  const at = systemClock.now()
  const steps = [stepOf(first, stateOf(first.status)), stepOf(second, 'waits_for_bank')]
  const rowsOf = (next: readonly Next[]) => next.map((step) => ({ next: step, at }))
  const advance = async (next: readonly Next[]) =>
    await inTransaction(
      world.pool,
      async (tx) => await store.advanceTransactions(tx, rowsOf(next)),
      { lockTimeoutMs: 1_000 },
    )
  await assert.rejects(advance(steps), (error) => {
    const found = disagreementIn(error)?.message ?? ''
    assert.equal(
      found,
      `a transaction went on under the lock of its payer: ${second.transactionId}`,
    )
    return true
  })
  assert.deepEqual(await store.findTransactionById(world.pool, first.transactionId), first)
  await advance(steps.slice(0, 1))
  const moved = await store.findTransactionById(world.pool, first.transactionId)
  assert.equal(moved && stateOf(moved.status), 'declined')
})
