import assert from 'node:assert/strict'
import { after, afterEach, before, test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { AccountId } from '../../src/ledger/account.ts'
import type { Passengers } from '../../src/ledger/passengers.ts'
import { until } from '../kit/until.ts'
import { openBooks, payment } from './books.ts'
import type { Books } from './books.ts'

let books: Books
before(async () => {
  books = await openBooks()
})
afterEach(async () => await books.assertSound())
after(async () => await books.close())

/** A room that notes how many ride in each batch, and keeps the first large one until let go. */
function keepFirst() {
  const sizes: number[] = []
  let kept = false
  const { promise: letGo, resolve: release } = Promise.withResolvers<void>()
  const passengers: Passengers<null, never> = {
    look: async (_tx, rides) => {
      sizes.push(rides.length)
      if (rides.length === FIRST && !kept) {
        kept = true
        await letGo
      }
      return () => () => null
    },
    write: () => Promise.resolve(),
  }
  return { sizes, release, passengers }
}

/** Pairs that share no account, so that any of them may run beside any other. */
async function pairs(count: number): Promise<readonly (readonly [AccountId, AccountId])[]> {
  const accounts = await books.accounts(2 * count, 10n)
  return Array.from({ length: count }, (_, index) => {
    return [accounts[2 * index], accounts[2 * index + 1]] as [AccountId, AccountId]
  })
}

const FIRST = 10
/** No batch of a test is under way for so long. */
const NEVER_MS = 60_000
const LOOKS = 5

test('a batch beside another one is as large at least', async () => {
  const { sizes, release, passengers } = keepFirst()
  const ledger = books.ledger({ passengers, heldUpMs: NEVER_MS })
  const all = await pairs(2 * FIRST)
  const post = async (list: typeof all) =>
    await Promise.all(list.map(async ([from, to]) => await ledger.post(payment(from, to, 1n))))
  const first = post(all.slice(0, FIRST))
  await until('the first batch is under way', () => sizes.length === 1)

  const few = post(all.slice(FIRST, -1))
  for (let look = 0; look < LOOKS; look += 1) await nextTurn()
  assert.deepEqual(sizes, [FIRST])
  const last = post(all.slice(-1))
  await Promise.all([few, last])
  assert.deepEqual(sizes, [FIRST, FIRST])
  release()
  await first
})

test('who comes behind a batch that is held up gets a lane all the same, however few', async (t) => {
  const { sizes, release, passengers } = keepFirst()
  const ledger = books.ledger({ passengers })
  const all = await pairs(FIRST + 2)
  const first = all
    .slice(0, FIRST)
    .map(async ([from, to]) => await ledger.post(payment(from, to, 1n)))
  await until('the first batch is under way', () => sizes.length === 1)
  const began = performance.now()
  for (const [from, to] of all.slice(FIRST)) {
    assert.equal((await ledger.post(payment(from, to, 1n))).outcome, 'posted')
  }
  t.diagnostic(`two, one after the other: ${(performance.now() - began).toFixed(0)} ms`)
  assert.deepEqual(sizes, [FIRST, 1, 1])
  release()
  for (const one of await Promise.all(first)) assert.equal(one.outcome, 'posted')
})
