import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import * as fc from 'fast-check'
import type { AccountId } from '../../src/ledger/account.ts'
import type { Account } from '../../src/ledger/account.ts'
import { money } from '../../src/money.ts'
import { brokenLimit, nothingBefore, used, WINDOW } from '../../src/payments/rules/limits.ts'
import type { LimitRules } from '../../src/payments/rules/limits.ts'
import { DAY, HOUR, SECOND } from '../../src/time.ts'
import type { Micros } from '../../src/time.ts'
import { startWorld } from '../kit/world.ts'
import type { World } from '../kit/world.ts'

const rules: LimitRules = {
  send: { unverified: money(299n), verified: money(1_000n) },
  cashOut: { unverified: money(99n), verified: money(2_000n) },
  bankTransfer: money(5_000n),
}

let world: World
before(async () => {
  world = await startWorld({ limits: rules })
})
after(async () => {
  await world.end()
})

const whole = { start: null, end: null } as const
const cents = fc.bigInt({ min: 1n, max: 2_000n })

const account: Account = {
  id: 'a' as AccountId,
  floor: 'zero',
  state: 'open',
  version: 1n,
  balance: 10_000n,
  held: 0n,
  sent: 0n,
  withdrawn: 0n,
  sending: 0n,
  withdrawing: 0n,
  at: 0n as Micros,
}

const ask = (amount: bigint) => ({ kind: 'payment', amount: money(amount) }) as const

test('whatever is admitted in order never sums to more than the limit', () => {
  fc.assert(
    fc.property(fc.array(cents, { maxLength: 50 }), (amounts) => {
      let now = account
      for (const amount of amounts) {
        if (brokenLimit(rules, 'verified', now, nothingBefore, ask(amount)) === null) {
          now = { ...now, sent: now.sent + amount }
        }
      }
      assert(used(now, nothingBefore).send <= 1_000n)
    }),
  )
})

test('a limit is exact to the cent, and what waits counts', () => {
  const busy = { ...account, sent: 600n, sending: 300n }
  assert.equal(brokenLimit(rules, 'verified', busy, nothingBefore, ask(100n)), null)
  assert.equal(brokenLimit(rules, 'verified', busy, nothingBefore, ask(101n)), 'send')
  const base = { sent: 600n, withdrawn: 0n }
  assert.equal(brokenLimit(rules, 'verified', busy, base, ask(700n)), null)
  const out = { kind: 'cash_out', amount: money(5_001n) } as const
  assert.equal(brokenLimit(rules, 'verified', account, nothingBefore, out), 'bank_transfer')
})

test('100 payments at once never get past the limit', async () => {
  const [alice, bob] = [await world.rich(5_000n), await world.person()]
  const paid = await Promise.all(
    Array.from({ length: 100 }, async () => await world.pay(alice, bob, 11n)),
  )
  const accepted = paid.filter(({ status }) => status === 'accepted').length
  assert.equal(accepted, 90, '90 x 11 = 990 is the most of 11 that fits 1,000')
  assert(paid.every((one) => one.status === 'accepted' || one.declineReason === 'limit_send'))
})

test('what was sent frees up exactly seven days later, and the user is told when', async () => {
  const [alice, bob] = [await world.rich(5_000n), await world.person()]
  await world.pay(alice, bob, 300n)
  world.advance(2n * DAY)
  const second = await world.pay(alice, bob, 700n)
  assert.equal((await world.pay(alice, bob, 1n)).declineReason, 'limit_send')
  const send = async () => {
    const { limits } = await world.payments.ownUser(alice, whole)
    return limits.find(({ name }) => name === 'send')
  }
  const told = await send()
  assert.equal(told?.used, 1_000n)
  assert.equal(told?.available, 0n)
  assert.deepEqual(
    told?.frees.map(({ amount }) => amount),
    [300n, 700n],
  )
  assert.equal(told?.frees[1]?.at, second.transactionDate + WINDOW)

  world.advance(5n * DAY - HOUR)
  assert.equal((await world.pay(alice, bob, 1n)).declineReason, 'limit_send')
  world.advance(HOUR + SECOND)
  assert.equal((await send())?.available, 300n)
  assert.equal((await world.pay(alice, bob, 301n)).declineReason, 'limit_send')
  assert.equal((await world.pay(alice, bob, 300n)).status, 'accepted')
  assert.equal((await world.pay(alice, bob, 1n)).declineReason, 'limit_send')
})

test('an unproven contact lowers the limits, and never blocks receiving', async () => {
  const [alice, bob] = [await world.rich(5_000n), await world.person()]
  await world.payments.changeProfile(alice, { email: 'alice.new@example.com' }, null, {
    fresh: true,
  })
  assert.equal((await world.pay(alice, bob, 300n)).declineReason, 'limit_send')
  assert.equal((await world.pay(alice, bob, 299n)).status, 'accepted')
  assert.equal((await world.pay(bob, alice, 99n)).status, 'accepted')
})
