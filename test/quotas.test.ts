import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createQuotas } from '../src/quotas.ts'
import { networkOf } from '../src/network.ts'
import { SECOND } from '../src/time.ts'
import type { Micros } from '../src/time.ts'

test('a caller has so many requests in a window, and then has them again', async () => {
  let now = 0n as Micros
  const quotas = createQuotas({ now: () => now }, null)
  for (let left = 119; left >= 0; left -= 1) {
    const share = await quotas.take('sign-ins', 'a')
    assert.equal(share.refusal, null)
    assert.equal(share.limit, `"sign-ins";r=${left};t=60`)
    assert.equal(share.policy, '"sign-ins";q=120;w=60')
  }
  now = (50n * SECOND) as Micros
  const refused = await quotas.take('sign-ins', 'a')
  assert.equal(refused.refusal?.code, 'rate_limited')
  assert.equal(refused.refusal?.facts['retryAfterSeconds'], 10)
  assert.equal(refused.limit, '"sign-ins";r=0;t=10')

  assert.equal(
    (await quotas.take('sign-ins', 'b')).refusal,
    null,
    'another caller is not concerned',
  )
  assert.equal((await quotas.take('reads', 'a')).refusal, null, 'another quota is not concerned')
  now = (60n * SECOND) as Micros
  assert.equal((await quotas.take('sign-ins', 'a')).refusal, null)
})

test('a clock that steps back locks nobody out for longer than a window', async () => {
  const hour = 3_600n * SECOND
  let now = hour as Micros
  const quotas = createQuotas({ now: () => now }, null)
  for (let taken = 0; taken < 120; taken += 1) await quotas.take('sign-ins', 'a')
  assert.equal((await quotas.take('sign-ins', 'a')).refusal?.code, 'rate_limited')
  now = 0n as Micros
  assert.equal((await quotas.take('sign-ins', 'a')).limit, '"sign-ins";r=119;t=60')
})

test('looking costs nothing', async () => {
  const quotas = createQuotas({ now: () => 0n as Micros }, null)
  assert.equal(
    (await quotas.take('writes', 'a', 0)).limit,
    (await quotas.take('writes', 'a', 0)).limit,
  )
})

test('a customer of an IPv6 provider is one caller', () => {
  assert.equal(networkOf('203.0.113.7'), '203.0.113.7')
  assert.equal(networkOf('::ffff:203.0.113.7'), '203.0.113.7')
  assert.equal(networkOf('2001:db8:1:2:3:4:5:6'), '2001:db8:1:2::/64')
  assert.equal(networkOf('2001:db8::1'), '2001:db8:0:0::/64')
  assert.equal(networkOf('::1'), '0:0:0:0::/64')
  assert.equal(networkOf('2001:db8:1:2::'), '2001:db8:1:2::/64')
})
