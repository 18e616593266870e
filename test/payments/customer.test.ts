import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { inTransaction } from '../../src/db/tx.ts'
import type { UserId } from '../../src/ids/ids.ts'
import { customerOf } from '../../src/payments/customer.ts'
import type { Outsider } from '../../src/payments/customer.ts'
import { setStatus } from '../../src/users/freeze.ts'
import { refusedAs } from '../kit/refused.ts'
import { startWorld } from '../kit/world.ts'
import type { World } from '../kit/world.ts'

const fresh = { fresh: true }

let world: World
before(async () => {
  world = await startWorld()
})
after(async () => await world.end())

let subjects = 0

function outsider(change: Partial<Outsider> = {}): Outsider {
  subjects += 1
  const subject = `tenant:${subjects}`
  return { issuer: 'https://id.example', subject, name: null, email: null, ...change }
}

async function arrive(who: Outsider): Promise<UserId> {
  return await customerOf(world.parts, who)
}

async function own(userId: UserId) {
  return await world.payments.ownUser(userId, { start: null, end: null })
}

async function usersOf({ issuer, subject }: Outsider): Promise<number> {
  const { rows } = await world.pool.query<{ count: bigint }>(
    'select count(*) as count from identity where issuer = $1 and subject = $2',
    [issuer, subject],
  )
  return Number(rows[0]?.count)
}

test('the first request of an outsider opens a user with a wallet, and the next finds it', async () => {
  const who = outsider({ name: '  Ada   Lovelace ', email: 'Ada.L@Example.com' })
  const userId = await arrive(who)
  const { user, wallet } = await own(userId)
  assert.equal(user.displayName, 'Ada Lovelace')
  assert.equal(user.email, 'ada.l@example.com')
  assert.match(user.handle, /^ada\.l\d{6}$/)
  assert.deepEqual([user.emailVerifiedAt, user.phoneNumber], [null, null], 'nothing is proven')
  assert.equal(wallet.balance, 0n)
  assert.equal(await arrive({ ...who, name: 'Eve', email: 'eve@example.com' }), userId)
  assert.equal((await own(userId)).user.displayName, 'Ada Lovelace')
})

test('twenty first requests at once make one user', async () => {
  const who = outsider({ name: 'Grace', email: 'grace@example.com' })
  const found = await Promise.all(Array.from({ length: 20 }, async () => await arrive(who)))
  assert.equal(new Set(found).size, 1)
  assert.equal(await usersOf(who), 1)
  const { rows } = await world.pool.query<{ users: bigint; wallets: bigint }>(
    `select (select count(*) from app_user where email = $1) as users,
            (select count(*) from account where account_id = $2) as wallets`,
    ['grace@example.com', found[0]],
  )
  assert.deepEqual(rows, [{ users: 1n, wallets: 1n }])
})

test('a subject is somebody with its issuer only', async () => {
  const who = outsider()
  const there = await arrive({ ...who, issuer: 'https://other.example' })
  assert.notEqual(await arrive(who), there)
})

test('an address of somebody else’s is not taken, nor does it lead to them', async () => {
  const bob = await world.person()
  const { email } = (await own(bob)).user
  const userId = await arrive(outsider({ email }))
  assert.notEqual(userId, bob)
  assert.equal((await own(userId)).user.email, null)
})

test('two outsiders with one address: one gets it, and both come in', async () => {
  const email = 'shared@example.com'
  const both = await Promise.all([arrive(outsider({ email })), arrive(outsider({ email }))])
  const emails = await Promise.all(both.map(async (id) => (await own(id)).user.email))
  assert.deepEqual(new Set(emails), new Set([email, null]))
})

test('a name or address that is none is left out', async () => {
  for (const [name, email] of [
    ['\u202Eevil', 'not an address'],
    ['', '@'],
    ['x'.repeat(200), `${'x'.repeat(400)}@example.com`],
    ['\u0000', 'a@b'],
  ] as const) {
    const { user } = await own(await arrive(outsider({ name, email })))
    assert.equal(user.email, null)
    assert.equal(user.displayName, user.handle)
    assert.match(user.handle, /^user\d{6}$/)
  }
})

test('a closed user stays out, and is not opened anew', async () => {
  const who = outsider()
  const userId = await arrive(who)
  const close = async () =>
    await inTransaction(world.pool, async (tx) => await setStatus(tx, userId, 'closed'), {
      lockTimeoutMs: 1_000,
    })
  await close()
  await refusedAs('action_forbidden', arrive(who))
  assert.equal(await usersOf(who), 1)
})

test('who has no contact is told so, and gets codes once they have one', async () => {
  const [dora, bob] = [await arrive(outsider()), await world.person()]
  for (const channel of ['email', 'phone'] as const) {
    await refusedAs('contact_missing', world.payments.sendContactCode(dora, channel, null))
    const proof = { channel, code: '123456' }
    await refusedAs('code_expired', world.payments.confirmContact(dora, proof, null))
  }
  // 500 dollars to somebody new wait for a code, which would have nowhere to go.
  await refusedAs('contact_missing', world.pay(dora, bob, 50_000n))

  const email = 'dora@example.com'
  const changed = await world.payments.changeProfile(dora, { email }, null, fresh)
  assert.equal(changed.value.user.email, email)
  const code = await world.until(async () => await world.lastCode(email))
  const proven = await world.payments.confirmContact(dora, { channel: 'email', code }, null)
  assert.notEqual(proven.value.user.emailVerifiedAt, null)
  const waiting = await world.pay(dora, bob, 50_000n)
  assert.equal(waiting.status, 'declined', 'there is no money, but nothing else is wrong')
  assert.equal(waiting.declineReason, 'insufficient_funds')
})

test('an outsider is paid and pays as anybody', async () => {
  const [rich, dora] = [await world.rich(10_000n), await arrive(outsider())]
  assert.equal((await world.pay(rich, dora, 4_000n)).status, 'accepted')
  assert.equal((await world.pay(dora, rich, 1_000n)).status, 'accepted')
  assert.equal((await own(dora)).wallet.balance, 3_000n)
})
