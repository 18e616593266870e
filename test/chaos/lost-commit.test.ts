import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import type { TestContext } from 'node:test'
import type { UserId } from '../../src/ids/ids.ts'
import { startWorld } from '../kit/world.ts'
import type { World } from '../kit/world.ts'
import { assertBooks, assertHeardIsTrue, countTransactions } from './kit/books.ts'
import type { Heard } from './kit/lies.ts'
import { askFor, attempt, openDoor, tryPayment } from './kit/door.ts'
import type { Door, Payment } from './kit/door.ts'
import { insist, isAgain } from './kit/insist.ts'
import { countWaiting, until } from '../kit/until.ts'
import { calm, cuts, nextCommit, stalls } from './kit/proxy.ts'
import type { Fault } from './kit/proxy.ts'
import { createRandom, seedOf } from './kit/random.ts'

/**
 * Goal: whatever happens to a connection around COMMIT, every answer is true and every key has one
 * effect.
 * Method: ledger and pool reach PostgreSQL through a proxy that sees COMMIT go by.
 */
let world: World
before(async () => {
  world = await startWorld()
})
after(async () => {
  await assertBooks(world.pool)
  await world.close()
})

type Pair = Readonly<{ door: Door; payment: Payment; before: ReadonlyMap<UserId, number> }>

/**
 * Two users of their own and a way of their own to the database, so that tests run side by side.
 */
async function prepare(t: TestContext): Promise<Pair> {
  const [from, to] = [await world.rich(1_000n), await world.person()]
  const payment = { from, to, cents: 250n, key: randomUUID() }
  const door = await openDoor(world)
  t.after(door.close)
  return { door, payment, before: await countTransactions(world.pool, [from]) }
}

/** Asks until there is an answer. Returns it, with what was heard instead on the way. */
async function payInTheEnd({ door, payment }: Pair): Promise<readonly [Heard, readonly string[]]> {
  const began = performance.now()
  const reasons: string[] = []
  const heard = await insist(
    async () => await tryPayment(door.payments, payment, began),
    (reason) => reasons.push(reason),
  )
  return [heard, reasons]
}

/** The answer is true, was given once, and is given again. */
async function assertPaidOnce(pair: Pair, heard: Heard): Promise<void> {
  const { door, payment, before } = pair
  assert.equal(heard.answer?.status, 'accepted')
  await assertHeardIsTrue(world.pool, [heard], before)
  door.proxy.plan(calm)
  const again = await tryPayment(world.payments, payment, performance.now())
  assert(!isAgain(again), 'it was committed, so its answer is at hand')
  assert.equal(again.answer?.id, heard.answer.id)
  await assertHeardIsTrue(world.pool, [heard, again], before)
  const { wallet } = await world.payments.ownUser(payment.from, { start: null, end: null })
  assert.equal(wallet.balance, 1_000n - payment.cents)
}

/** Without a key there is no record that would stop a second effect: what was posted tells. */
async function assertPaidOnceWithoutKey({ door, payment, before }: Pair): Promise<void> {
  const { value } = await door.payments.moveMoney(payment.from, askFor(payment), null, {
    fresh: true,
  })
  assert.equal(value.status, 'accepted')
  const [[payer, earlier] = []] = [...before]
  assert(payer !== undefined && earlier !== undefined)
  assert.equal((await countTransactions(world.pool, [payer])).get(payer), earlier + 1)
  const { wallet } = await world.payments.ownUser(payment.from, { start: null, end: null })
  assert.equal(wallet.balance, 1_000n - payment.cents)
}

/** A session of the door waits for a lock, which only another of its sessions can hold. */
async function waitsForLock({ name }: Door): Promise<boolean> {
  return (await countWaiting(world.pool, 'Lock', name)) > 0
}

describe('around COMMIT', { concurrency: true }, () => {
  for (const fault of cuts) {
    test(`${fault}: the first call hears the truth`, async (t) => {
      const pair = await prepare(t)
      pair.door.proxy.plan(nextCommit(fault))
      const [heard, reasons] = await payInTheEnd(pair)
      assert.equal(pair.door.proxy.faults(), 1)
      assert.deepEqual(reasons, [], 'the database could be reached all the time')
      await assertPaidOnce(pair, heard)
    })
  }

  for (const fault of [...cuts, 'stall-after'] as const) {
    test(`${fault}: what came without a key is posted once as well`, async (t) => {
      const pair = await prepare(t)
      pair.door.proxy.plan(nextCommit(fault))
      await assertPaidOnceWithoutKey(pair)
      assert.equal(pair.door.proxy.faults(), 1)
    })
  }

  for (const fault of stalls) {
    test(`${fault}: no answer is a lie, and the key finds its one effect`, async (t) => {
      const pair = await prepare(t)
      pair.door.proxy.plan(nextCommit(fault))
      const [heard] = await payInTheEnd(pair)
      assert.equal(pair.door.proxy.faults(), 1)
      await assertPaidOnce(pair, heard)
    })
  }

  test('a COMMIT that arrives after its sender gave it up counts, and counts once', async (t) => {
    const pair = await prepare(t)
    pair.door.proxy.plan(nextCommit('stall-before'))
    const paying = assertPaidOnceWithoutKey(pair)
    // The old session still holds the locks, so whoever looks for the truth waits for its end.
    const waiting = until('the look waits', async () => await waitsForLock(pair.door))
    await Promise.race([paying, waiting])
    pair.door.proxy.release()
    await paying
  })

  test('a second call under the key, while the first hangs, does not pay twice', async (t) => {
    const pair = await prepare(t)
    pair.door.proxy.plan(nextCommit('stall-before'))
    const first = payInTheEnd(pair)
    await until('the COMMIT hangs', () => pair.door.proxy.silent() > 0)
    const second = payInTheEnd({ ...pair, door: { ...pair.door, payments: world.payments } })
    const [[one], [two]] = await Promise.all([first, second])
    assert.equal(one.answer?.id, two.answer?.id)
    await assertPaidOnce(pair, one)
  })

  for (const fault of cuts) {
    test(`${fault} by a database that stays away: unknown, until its key finds out`, async (t) => {
      const pair = await prepare(t)
      const { door, payment } = pair
      door.proxy.plan({
        ...calm,
        commit: () => {
          setImmediate(door.proxy.shut)
          return fault
        },
      })
      const lost = await tryPayment(door.payments, payment, performance.now())
      assert(isAgain(lost), 'nobody could know')
      assert.equal(lost.again, 'outcome_unknown')
      const away = await tryPayment(door.payments, payment, performance.now())
      assert(isAgain(away), 'the database is away')
      door.proxy.plan(calm)
      door.proxy.open()
      const [heard] = await payInTheEnd(pair)
      await assertPaidOnce(pair, heard)
    })
  }
})

test('many callers, and connections that break all the time: every answer is true', async (t) => {
  const random = createRandom(seedOf(t))
  const door = await openDoor(world)
  t.after(door.close)
  const users = await Promise.all(Array.from({ length: 16 }, async () => await world.rich(2_000n)))
  const before = await countTransactions(world.pool, users)
  const faults: readonly [null, ...(Fault | null)[]] = [null, null, null, null, null, ...cuts]
  door.proxy.plan({
    commit: () => random.pick(faults),
    bytes: () => (random.chance(0.4) ? 500 + random.below(60_000) : null),
  })
  const heard: Heard[] = []
  const reasons: string[] = []
  const caller = async (): Promise<void> => {
    for (let payments = 0; payments < 20; payments += 1) {
      const from = users[random.below(users.length)]!
      const to = users.find((user) => user !== from && random.chance(0.5)) ?? users.at(-1)!
      if (from === to) continue
      const payment = { from, to, cents: BigInt(1 + random.below(900)), key: randomUUID() }
      const began = performance.now()
      // Twice at once under the one key, as an impatient app does.
      const asking = async () =>
        await insist(
          async () => await tryPayment(door.payments, payment, began),
          (reason) => reasons.push(reason),
        )
      heard.push(...(await Promise.all([asking(), asking()])))
    }
  }
  await Promise.all(Array.from({ length: 16 }, caller))
  const statuses = Object.groupBy(heard, ({ answer }) => answer!.status)
  t.diagnostic(
    `${heard.length} answers, ${statuses.declined?.length ?? 0} of them declined; ` +
      `${door.proxy.faults()} faults; ${reasons.length} asked again`,
  )
  assert(door.proxy.faults() > 20, 'too little has been broken to say anything')
  assert(!reasons.includes('outcome_unknown'), 'the database could be reached all the time')
  await assertHeardIsTrue(world.pool, heard, before)
  await assertBooks(world.pool)
})

test('linking a bank account through lost commits links it once', async (t) => {
  const random = createRandom(seedOf(t))
  const door = await openDoor(world)
  t.after(door.close)
  const user = await world.person()
  for (const fault of [...cuts, ...cuts]) {
    const key = randomUUID()
    const ask = {
      bankName: 'Sandbox Bank',
      bankPhoneNumber: null,
      bankEmail: null,
      bankAccountNumber: `95${String(random.below(10 ** 9)).padStart(9, '0')}`,
      bankRoutingNumber: '222222226',
      accountType: 'checking',
    } as const
    door.proxy.plan(nextCommit(fault))
    const link = async () =>
      await attempt(
        async () => await door.payments.linkBankAccount(user, ask, key, { fresh: true }),
      )
    const first = await link()
    assert(isAgain(first) && first.again === 'outcome_unknown')
    const { value } = await insist(link)
    const replayed = await world.payments.linkBankAccount(user, ask, key, { fresh: true })
    assert.equal(replayed.value.bankAccountId, value.bankAccountId)
  }
  const { bankAccounts } = await world.payments.ownUser(user, { start: null, end: null })
  assert.equal(bankAccounts.length, 2 * cuts.length)
})
