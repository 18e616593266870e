import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { isDeepStrictEqual } from 'node:util'
import { setTimeout as sleep } from 'node:timers/promises'
import { openServerCache } from '../../src/cache/cache.ts'
import type { UserId } from '../../src/ids/ids.ts'
import { money } from '../../src/money.ts'
import { listTransactions } from '../../src/payments/history.ts'
import { setFrozen } from '../../src/payments/freeze.ts'
import type { PaymentParts } from '../../src/payments/parts.ts'
import { ownUser } from '../../src/payments/wallet.ts'
import { DAY } from '../../src/time.ts'
import { noFence } from './kit/no-fence.ts'
import { operator, startWorld } from '../kit/world.ts'
import type { World } from '../kit/world.ts'
import { hearCache } from './kit/hear.ts'
import { redis, startRedis } from './kit/redis.ts'
import type { TestRedis } from './kit/redis.ts'

const whole = { start: null, end: null } as const
const firstPage = { ...whole, limit: 25, cursor: null, status: null, kind: null } as const
const fresh = { fresh: true } as const
const limits = {
  send: { unverified: money(29_999n), verified: money(700_000n) },
  cashOut: { unverified: money(99_999n), verified: money(1_999_999n) },
  bankTransfer: money(500_000n),
}

/** A job may commit in between: then both are asked again. */
async function assertSame<T>(seen: () => Promise<T>, stored: () => Promise<T>): Promise<void> {
  for (let tries = 0; tries < 5; tries++) {
    const earlier = await stored()
    const found = await seen()
    if (isDeepStrictEqual(earlier, await stored())) return assert.deepEqual(found, earlier)
  }
  assert.fail('it changes all the time')
}

suite('what users see, with copies in front of it', { skip: redis.missing ?? false }, () => {
  let server: TestRedis
  let world: World
  const heard = hearCache()

  before(async () => {
    server = await startRedis()
    const place = { url: server.url, sentinels: [], sentinelPassword: null, ca: null }
    world = await startWorld({
      limits,
      cache: ({ url, pool }) => openServerCache({ url, redis: place }, pool),
    })
    await world.until(async () => await Promise.resolve(heard.state() === 'on'))
  })
  after(async () => {
    await world.end()
    await server.stop()
    heard.stop()
  })

  /** Reads until a copy answers, so that what comes next finds one. */
  async function warm(...users: readonly UserId[]): Promise<void> {
    for (const user of users) {
      await world.until(async () => {
        const hits = heard.count('hit')
        await world.payments.ownUser(user, whole)
        await world.payments.listTransactions(user, firstPage)
        return heard.count('hit') >= hits + 2
      })
    }
  }

  async function assertTrue(...users: readonly UserId[]): Promise<void> {
    const { parts, payments } = world
    for (const user of users) {
      await assertSame(
        async () => await payments.ownUser(user, whole),
        async () => await ownUser(parts, user, whole),
      )
      await assertSame(
        async () => await payments.listTransactions(user, firstPage),
        async () => await listTransactions(parts, user, firstPage),
      )
    }
  }

  /** Each flow, begun when copies are there, is seen when it was answered. */
  async function seesAtOnce<T>(users: readonly UserId[], flow: () => Promise<T>): Promise<T> {
    await warm(...users)
    const answer = await flow()
    await assertTrue(...users)
    await warm(...users)
    await assertTrue(...users)
    return answer
  }

  test('a payment, a declined one, and one that waits for its code', async () => {
    const [alice, bob] = [await world.rich(100_000n), await world.person()]
    const pay = async (cents: bigint) => await world.pay(alice, bob, cents)
    const seen = await seesAtOnce([alice, bob], async () => await pay(1_234n))
    assert.equal(seen.status, 'accepted')
    const declined = await seesAtOnce([alice, bob], async () => await pay(10_000_000n))
    assert.equal(declined.status, 'declined')
    const carol = await world.person()
    const waits = await seesAtOnce(
      [alice, carol],
      async () => await world.pay(alice, carol, 60_000n),
    )
    assert.equal(waits.status, 'waiting_for_verification')
    const code = await world.codeFor(alice)
    await seesAtOnce([alice, carol], async () => {
      const ask = { id: waits.transactionId, code }
      return await world.payments.confirmTransaction(alice, ask, null)
    })
  })

  test('money from a bank and to it, as its jobs take it on', async () => {
    const alice = await world.person()
    const bank = await seesAtOnce([alice], async () => await world.bank(alice))
    const move = async (from: 'bank' | 'user', cents: bigint) => {
      const own = { kind: 'user', id: alice } as const
      const outside = { kind: 'bank', id: bank } as const
      const [one, other] = from === 'bank' ? [outside, own] : [own, outside]
      const ask = { from: one, to: other, amount: money(cents), note: null, transactionDate: null }
      const { value } = await world.payments.moveMoney(alice, ask, null, fresh)
      await world.until(async () => {
        await assertTrue(alice)
        const { status } = await world.payments.findTransaction(alice, value.transactionId)
        return status === 'accepted'
      })
    }
    await seesAtOnce([alice], async () => await move('bank', 50_000n))
    await seesAtOnce([alice], async () => await move('user', 20_000n))
    await seesAtOnce([alice], async () => {
      await world.payments.unlinkBankAccount(alice, bank, null)
    })
  })

  test('a copy that does not serve is replaced, and fails no read', async () => {
    const alice = await world.rich(1_234n)
    for (const broken of ['vother.{}', 'v']) {
      await warm(alice)
      const slots = (await server.ask('KEYS', `farthing:*:${alice}`)) as string[]
      const copies = slots.filter((slot) => !slot.includes(':floor:'))
      assert.equal(copies.length, 2)
      for (const slot of copies) {
        const [, shape = ''] = /^v([^{]*)/.exec(String(await server.ask('GET', slot))) ?? []
        await server.ask('SET', slot, broken === 'v' ? `v${shape}{` : broken, 'PX', '60000')
      }
      const unfits = heard.count('unfit')
      await assertTrue(alice)
      assert.equal(heard.count('unfit'), unfits + 2)
      await warm(alice)
      await assertTrue(alice)
      assert.equal(heard.count('unfit'), unfits + 2)
    }
  })

  test('a profile, a contact and its proof, a freeze and a thaw', async () => {
    const alice = await world.person()
    const { payments, parts } = world
    await seesAtOnce([alice], async () => {
      return await payments.changeProfile(alice, { displayName: 'Alice' }, null, fresh)
    })
    const email = `new${Date.now()}@example.com`
    await seesAtOnce([alice], async () => {
      return await payments.changeProfile(alice, { email }, null, fresh)
    })
    const code = await world.until(async () => await world.lastCode(email))
    await seesAtOnce([alice], async () => {
      return await payments.confirmContact(alice, { channel: 'email', code }, null)
    })
    for (const frozen of [true, false]) {
      await seesAtOnce([alice], async () => await setFrozen(parts, alice, frozen, operator))
    }
  })

  test('a view that changes because time goes on is not kept beyond that', async () => {
    const [alice, bob] = [await world.rich(100_000n), await world.person()]
    await world.pay(alice, bob, 10_000n)
    await warm(alice)
    world.advance(8n * DAY)
    await assertTrue(alice)
    const { limits } = await world.payments.ownUser(alice, whole)
    assert.equal(limits[0]?.used, 0n)
    world.advance(-8n * DAY)
  })

  test('a flow that forgets its fence is found by this file', async () => {
    const alice = await world.person()
    const forgetful: PaymentParts = { ...world.parts, fence: noFence }
    await warm(alice)
    await setFrozen(forgetful, alice, true, operator)
    await assert.rejects(assertTrue(alice), /deepEqual|deep-equal|frozen/)
    await setFrozen(world.parts, alice, false, operator)
    await assertTrue(alice)
  })

  test('Redis dies: no payment fails, and all is seen at once', async () => {
    const [alice, bob] = [await world.rich(100_000n), await world.person()]
    await warm(alice, bob)
    await server.kill()
    const began = performance.now()
    const paid = await world.pay(alice, bob, 500n)
    assert.equal(paid.status, 'accepted')
    assert(performance.now() - began < 4_000, 'the payment waited for long')
    await assertTrue(alice, bob)
    await world.pay(alice, bob, 500n)
    await server.start()
    await world.until(async () => {
      await sleep(100)
      return heard.state() === 'on'
    })
    await seesAtOnce([alice, bob], async () => await world.pay(alice, bob, 500n))
  })
})
