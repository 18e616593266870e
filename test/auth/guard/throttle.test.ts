import assert from 'node:assert/strict'
import { after as afterAll, before, test } from 'node:test'
import { AppError } from '../../../src/errors.ts'
import { createThrottle, unthrottled } from '../../../src/auth/guard/throttle.ts'
import type { Throttle } from '../../../src/auth/guard/throttle.ts'
import { after, DAY, HOUR, MINUTE, SECOND } from '../../../src/time.ts'
import type { Micros } from '../../../src/time.ts'
import { freshDatabase } from '../../kit/database.ts'
import type { FreshDatabase } from '../../kit/database.ts'

const start = 1_790_000_000_000_000n as Micros
const wrong = async () => null
const right = async () => 'ann'
const overloaded = async () => {
  throw new AppError('overloaded')
}

let database: FreshDatabase

before(async () => {
  database = await freshDatabase()
  // All connections are open: else what is asked at once goes through the first one, in turn.
  const { pool } = database
  await Promise.all(Array.from({ length: 8 }, async () => await pool.query('select pg_sleep(0.1)')))
})
afterAll(async () => {
  await database.drop()
})

/** Nothing counted yet, and a clock of its own. */
async function world() {
  await database.pool.query('delete from meter')
  let now = start
  const clock = { now: () => now }
  const throttle = createThrottle(database.pool, clock)
  return {
    throttle,
    elsewhere: createThrottle(database.pool, clock),
    now: () => now,
    pass: (span: bigint) => {
      now = after(now, span)
    },
  }
}

async function isRefused(throttle: Throttle, login: string, network: string): Promise<boolean> {
  try {
    await throttle({ login, network }, wrong)
    return false
  } catch (error) {
    assert(error instanceof AppError && error.code === 'rate_limited')
    return true
  }
}

async function guess(throttle: Throttle, login: string, network: string, times: number) {
  for (let i = 0; i < times; i++) await throttle({ login, network }, wrong)
}

test('ten wrong passwords from one network, and it waits for the rest of 15 minutes', async () => {
  const { throttle, pass } = await world()
  await guess(throttle, 'ann', '10.0.0.1', 10)
  pass(5n * MINUTE)
  await assert.rejects(throttle({ login: 'ann', network: '10.0.0.1' }, right), (error) => {
    return error instanceof AppError && error.facts['retryAfterSeconds'] === 600
  })
  pass(10n * MINUTE)
  assert.equal(await throttle({ login: 'ann', network: '10.0.0.1' }, right), 'ann')
})

test('nothing is tried for who is over a budget', async () => {
  const { throttle } = await world()
  await guess(throttle, 'ann', '10.0.0.1', 10)
  let tried = false
  const attempt = async () => {
    tried = true
    return null
  }
  await assert.rejects(throttle({ login: 'ann', network: '10.0.0.1' }, attempt))
  assert(!tried)
})

test('of 50 at once, at two servers, ten are tried', async () => {
  const { throttle, elsewhere } = await world()
  let tried = 0
  const attempt = async () => {
    tried++
    await new Promise(setImmediate)
    return null
  }
  const who = { login: 'ann', network: '10.0.0.1' }
  const all = await Promise.allSettled(
    Array.from({ length: 50 }, async (_, i) => await (i % 2 ? throttle : elsewhere)(who, attempt)),
  )
  assert.equal(tried, 10)
  for (const one of all) {
    if (one.status === 'rejected') assert.equal(one.reason.code, 'rate_limited', one.reason)
  }
})

test('a stranger elsewhere does not keep the owner out', async () => {
  const { throttle } = await world()
  await guess(throttle, 'ann', '10.0.0.1', 10)
  assert.equal(await throttle({ login: 'ann', network: '10.0.0.2' }, right), 'ann')
})

test('strangers everywhere keep the owner out of a new place, not of the usual one', async () => {
  const { throttle, pass } = await world()
  await throttle({ login: 'ann', network: 'home' }, right)
  for (let i = 0; i < 10; i++) await guess(throttle, 'ann', `10.0.0.${i}`, 10)
  assert(await isRefused(throttle, 'ann', 'hotel'))
  assert.equal(await throttle({ login: 'ann', network: 'home' }, right), 'ann')
  pass(15n * MINUTE)
  assert(!(await isRefused(throttle, 'ann', 'hotel')))
})

test('one password on many logins runs out of the network budget', async () => {
  const { throttle } = await world()
  for (let i = 0; i < 100; i++) await guess(throttle, `user${i}`, '10.0.0.1', 1)
  assert(await isRefused(throttle, 'ann', '10.0.0.1'))
  assert(!(await isRefused(throttle, 'ann', '10.0.0.2')))
})

test('signing in as oneself wins no guesses at another', async () => {
  const { throttle } = await world()
  await guess(throttle, 'ann', '10.0.0.1', 10)
  await throttle({ login: 'eve', network: '10.0.0.1' }, right)
  assert(await isRefused(throttle, 'ann', '10.0.0.1'))
})

test('the right password forgives the wrong ones before it', async () => {
  const { throttle } = await world()
  await guess(throttle, 'ann', '10.0.0.1', 9)
  await throttle({ login: 'ann', network: '10.0.0.1' }, right)
  await guess(throttle, 'ann', '10.0.0.1', 10)
  assert(await isRefused(throttle, 'ann', '10.0.0.1'))
})

test('an attempt that could not be made is not counted', async () => {
  const { throttle } = await world()
  for (let i = 0; i < 200; i++) {
    await assert.rejects(throttle({ login: 'ann', network: '10.0.0.1' }, overloaded))
  }
  assert.equal(await throttle({ login: 'ann', network: '10.0.0.1' }, right), 'ann')
})

test('a clock that is set back an hour locks nobody out for an hour', async () => {
  const { throttle, pass } = await world()
  await guess(throttle, 'ann', '10.0.0.1', 10)
  pass(-HOUR)
  await guess(throttle, 'ann', '10.0.0.1', 10)
  assert(await isRefused(throttle, 'ann', '10.0.0.1'))
  pass(15n * MINUTE + SECOND)
  assert(!(await isRefused(throttle, 'ann', '10.0.0.1')))
})

test('unthrottled looks at everything', async () => {
  await guess(unthrottled, 'ann', '10.0.0.1', 1_000)
  assert.equal(await unthrottled({ login: 'ann', network: '10.0.0.1' }, right), 'ann')
})

test('two servers on one database share the budgets, and what they know of the usual place', async () => {
  const { throttle, elsewhere } = await world()
  await guess(throttle, 'ann', '10.0.0.1', 5)
  await guess(elsewhere, 'ann', '10.0.0.1', 5)
  assert(await isRefused(throttle, 'ann', '10.0.0.1'))
  assert(await isRefused(elsewhere, 'ann', '10.0.0.1'))
  await throttle({ login: 'bob', network: 'home' }, right)
  for (let i = 0; i < 10; i++) await guess(throttle, 'bob', `10.0.1.${i}`, 10)
  assert.equal(await elsewhere({ login: 'bob', network: 'home' }, right), 'ann')
})

test('who is refused uses up no other budget', async () => {
  const { throttle } = await world()
  await guess(throttle, 'ann', '10.0.0.1', 10)
  for (let i = 0; i < 100; i++) assert(await isRefused(throttle, 'ann', '10.0.0.1'))
  assert(!(await isRefused(throttle, 'bob', '10.0.0.1')))
  assert(!(await isRefused(throttle, 'ann', '10.0.0.2')))
})

test('a place is the usual one for 90 days', async () => {
  const { throttle, pass } = await world()
  await throttle({ login: 'ann', network: 'home' }, right)
  pass(90n * DAY - MINUTE)
  for (let i = 0; i < 10; i++) await guess(throttle, 'ann', `10.0.0.${i}`, 10)
  assert(!(await isRefused(throttle, 'ann', 'home')))
  pass(MINUTE)
  assert(await isRefused(throttle, 'ann', 'home'))
})

test('what ends in one window is not given back to the next', async () => {
  const { throttle, pass } = await world()
  const slow = throttle({ login: 'ann', network: '10.0.0.1' }, async () => {
    pass(15n * MINUTE)
    await guess(throttle, 'ann', '10.0.0.1', 10)
    throw new AppError('overloaded')
  })
  await assert.rejects(slow)
  assert(await isRefused(throttle, 'ann', '10.0.0.1'))
})

test('many logins and networks at once, right and wrong, never wait for each other in a ring', async () => {
  const { throttle, elsewhere } = await world()
  const attempts = Array.from({ length: 300 }, async (_, i) => {
    const who = { login: `user${i % 5}`, network: `10.0.0.${i % 4}` }
    await (i % 2 ? throttle : elsewhere)(who, i % 3 === 0 ? wrong : right)
  })
  for (const one of await Promise.allSettled(attempts)) {
    if (one.status === 'rejected') assert.equal(one.reason.code, 'rate_limited', one.reason)
  }
})

test('what is counted is kept by hashes alone', async () => {
  const { throttle } = await world()
  await throttle({ login: 'ann@example.com', network: '10.0.0.1' }, right)
  const { rows } = await database.pool.query<{ row: string; size: number }>(
    'select m::text as row, length(name) as size from meter m',
  )
  assert.equal(rows.length, 4)
  for (const { row, size } of rows) {
    assert.equal(size, 16)
    assert(!/ann|10\.0/.test(row), row)
  }
})
