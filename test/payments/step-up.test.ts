import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { BankAccountId, UserId } from '../../src/ids/ids.ts'
import { money } from '../../src/money.ts'
import type { BankAccountLink } from '../../src/payments/asks.ts'
import type { Party } from '../../src/payments/rules/views.ts'
import { refusedAs } from '../kit/refused.ts'
import { startWorld } from '../kit/world.ts'
import type { World } from '../kit/world.ts'

const fresh = { fresh: true }
const stale = { fresh: false }

let world: World
let alice: UserId
let bob: UserId
let bank: BankAccountId
before(async () => {
  world = await startWorld()
  ;[alice, bob] = [await world.rich(900_000n), await world.person()]
  bank = await world.bank(alice)
})
after(async () => await world.end())

const user = (id: UserId): Party => ({ kind: 'user', id })
const account = (id: BankAccountId): Party => ({ kind: 'bank', id })

async function move(from: Party, to: Party, cents: bigint, key: string | null, shown = stale) {
  const ask = { from, to, amount: money(cents), note: null, transactionDate: null }
  return await world.payments.moveMoney(alice, ask, key, shown)
}

const much = 100_000n

test('much money leaves only with a fresh factor, whichever way it goes', async () => {
  for (const [from, to] of [
    [user(alice), user(bob)],
    [account(bank), user(bob)],
    [user(alice), account(bank)],
  ] as const) {
    await refusedAs('step_up_required', move(from, to, much, null))
    const { value } = await move(from, to, much, null, fresh)
    assert.notEqual(value.status, 'declined')
  }
})

test('a cent less, and what comes in, need none', async () => {
  assert.equal((await move(user(alice), user(bob), much - 1n, null)).replayed, false)
  const { value } = await move(account(bank), user(alice), much, null)
  assert.equal(value.kind, 'add_money')
})

test('a payment that was made is found by its key when the factor is fresh no more', async () => {
  const first = await move(user(alice), user(bob), much, 'much-1', fresh)
  const again = await move(user(alice), user(bob), much, 'much-1')
  assert.equal(again.replayed, true)
  assert.equal(again.value.transactionId, first.value.transactionId)
  const other = move(user(alice), user(bob), much + 1n, 'much-1')
  await refusedAs('idempotency_key_reused', other)
})

test('a refused request has kept nothing: with a fresh factor its key carries it out', async () => {
  await refusedAs('step_up_required', move(user(alice), user(bob), much, 'much-2'))
  await refusedAs('request_unknown', world.payments.findRequest(alice, 'much-2'))
  const { replayed } = await move(user(alice), user(bob), much, 'much-2', fresh)
  assert.equal(replayed, false)
})

const link: BankAccountLink = {
  bankName: 'Sandbox Bank',
  bankPhoneNumber: null,
  bankEmail: null,
  bankAccountNumber: '9500007777',
  bankRoutingNumber: '222222226',
  accountType: 'checking',
}

test('a bank account is linked with a fresh factor only, and found by its key without', async () => {
  const { payments } = world
  await refusedAs('step_up_required', payments.linkBankAccount(bob, link, 'link-1', stale))
  const first = await payments.linkBankAccount(bob, link, 'link-1', fresh)
  const again = await payments.linkBankAccount(bob, link, 'link-1', stale)
  assert.equal(again.replayed, true)
  assert.equal(again.value.bankAccountId, first.value.bankAccountId)
  const { bankAccounts } = await payments.ownUser(bob, { start: null, end: null })
  assert.equal(bankAccounts.length, 1)
})

test('a contact changes with a fresh factor only, and names without', async () => {
  const { payments } = world
  const patches = [{ email: 'new@example.com' }, { phoneNumber: '+14155550199' }]
  for (const [index, patch] of patches.entries()) {
    const key = `contact-${index}`
    await refusedAs('step_up_required', payments.changeProfile(bob, patch, key, stale))
    assert.equal((await payments.changeProfile(bob, patch, key, fresh)).replayed, false)
    assert.equal((await payments.changeProfile(bob, patch, key, stale)).replayed, true)
  }
  const mixed = { displayName: 'Robert', email: 'newer@example.com' }
  await refusedAs('step_up_required', payments.changeProfile(bob, mixed, null, stale))
  const { value } = await payments.changeProfile(bob, { displayName: 'Bob' }, null, stale)
  assert.equal(value.user.displayName, 'Bob')
  assert.equal(value.user.email, 'new@example.com')
})
