import assert from 'node:assert/strict'
import { after as afterAll, before, test } from 'node:test'
import { createBudgets } from '../../../src/auth/guard/budgets.ts'
import { AppError } from '../../../src/errors.ts'
import { after, HOUR } from '../../../src/time.ts'
import type { Micros } from '../../../src/time.ts'
import { freshDatabase } from '../../kit/database.ts'
import type { FreshDatabase } from '../../kit/database.ts'

let now = 1_790_000_000_000_000n as Micros
const clock = { now: () => now }
let database: FreshDatabase

before(async () => {
  database = await freshDatabase()
})
afterAll(async () => {
  await database.drop()
})

/** How many of the asks are granted; the rest must be told to wait. */
async function granted(asks: readonly Promise<void>[]): Promise<number> {
  const all = await Promise.allSettled(asks)
  for (const one of all) {
    if (one.status === 'fulfilled') continue
    assert(one.reason instanceof AppError && one.reason.code === 'rate_limited', one.reason)
    assert(Number(one.reason.facts['retryAfterSeconds']) > 0)
  }
  return all.filter(({ status }) => status === 'fulfilled').length
}

test('twenty sign-ups an hour from one network, at all servers together', async () => {
  const servers = [createBudgets(database.pool, clock), createBudgets(database.pool, clock)]
  const all = async (network: string) =>
    await granted(servers.flatMap((one) => Array.from({ length: 20 }, () => one.signUp(network))))
  assert.equal(await all('10.0.0.1'), 20)
  assert.equal(await all('10.0.0.2'), 20)
  assert.equal(await all('10.0.0.1'), 0)
  now = after(now, HOUR)
  assert.equal(await all('10.0.0.1'), 20)
})

test('twenty links an hour are asked for from one network, whoever they are for', async () => {
  const { resetAsk } = createBudgets(database.pool, clock)
  let passed = 0
  for (let i = 0; i < 30; i++) {
    passed += await granted([resetAsk({ login: `user${i}`, network: '10.0.0.1' })])
  }
  assert.equal(passed, 20)
})
