import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AppError } from '../../../src/errors.ts'
import { createThrottle, unthrottled } from '../../../src/auth/guard/throttle.ts'
import type { Throttle } from '../../../src/auth/guard/throttle.ts'
import { after, HOUR, MINUTE, SECOND } from '../../../src/time.ts'
import type { Micros } from '../../../src/time.ts'

const start = 1_790_000_000_000_000n as Micros
const wrong = async () => null
const right = async () => 'ann'
const overloaded = async () => {
  throw new AppError('overloaded')
}

function world() {
  let now = start
  const throttle = createThrottle({ now: () => now })
  return {
    throttle,
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
  const { throttle, pass } = world()
  await guess(throttle, 'ann', '10.0.0.1', 10)
  pass(5n * MINUTE)
  await assert.rejects(throttle({ login: 'ann', network: '10.0.0.1' }, right), (error) => {
    return error instanceof AppError && error.facts['retryAfterSeconds'] === 600
  })
  pass(10n * MINUTE)
  assert.equal(await throttle({ login: 'ann', network: '10.0.0.1' }, right), 'ann')
})

test('nothing is tried for who is over a budget', async () => {
  const { throttle } = world()
  await guess(throttle, 'ann', '10.0.0.1', 10)
  let tried = false
  const attempt = async () => {
    tried = true
    return null
  }
  await assert.rejects(throttle({ login: 'ann', network: '10.0.0.1' }, attempt))
  assert(!tried)
})

test('of 50 at once, ten are tried', async () => {
  const { throttle } = world()
  let tried = 0
  const attempt = async () => {
    tried++
    await new Promise(setImmediate)
    return null
  }
  const who = { login: 'ann', network: '10.0.0.1' }
  await Promise.allSettled(Array.from({ length: 50 }, async () => await throttle(who, attempt)))
  assert.equal(tried, 10)
})

test('a stranger elsewhere does not keep the owner out', async () => {
  const { throttle } = world()
  await guess(throttle, 'ann', '10.0.0.1', 10)
  assert.equal(await throttle({ login: 'ann', network: '10.0.0.2' }, right), 'ann')
})

test('strangers everywhere keep the owner out of a new place, not of the usual one', async () => {
  const { throttle, pass } = world()
  await throttle({ login: 'ann', network: 'home' }, right)
  for (let i = 0; i < 10; i++) await guess(throttle, 'ann', `10.0.0.${i}`, 10)
  assert(await isRefused(throttle, 'ann', 'hotel'))
  assert.equal(await throttle({ login: 'ann', network: 'home' }, right), 'ann')
  pass(15n * MINUTE)
  assert(!(await isRefused(throttle, 'ann', 'hotel')))
})

test('one password on many logins runs out of the network budget', async () => {
  const { throttle } = world()
  for (let i = 0; i < 100; i++) await guess(throttle, `user${i}`, '10.0.0.1', 1)
  assert(await isRefused(throttle, 'ann', '10.0.0.1'))
  assert(!(await isRefused(throttle, 'ann', '10.0.0.2')))
})

test('signing in as oneself wins no guesses at another', async () => {
  const { throttle } = world()
  await guess(throttle, 'ann', '10.0.0.1', 10)
  await throttle({ login: 'eve', network: '10.0.0.1' }, right)
  assert(await isRefused(throttle, 'ann', '10.0.0.1'))
})

test('the right password forgives the wrong ones before it', async () => {
  const { throttle } = world()
  await guess(throttle, 'ann', '10.0.0.1', 9)
  await throttle({ login: 'ann', network: '10.0.0.1' }, right)
  await guess(throttle, 'ann', '10.0.0.1', 10)
  assert(await isRefused(throttle, 'ann', '10.0.0.1'))
})

test('an attempt that could not be made is not counted', async () => {
  const { throttle } = world()
  for (let i = 0; i < 200; i++) {
    await assert.rejects(throttle({ login: 'ann', network: '10.0.0.1' }, overloaded))
  }
  assert.equal(await throttle({ login: 'ann', network: '10.0.0.1' }, right), 'ann')
})

test('a clock that is set back an hour locks nobody out for an hour', async () => {
  const { throttle, pass } = world()
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
