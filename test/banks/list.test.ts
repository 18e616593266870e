import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { BankAccount } from '../../src/banks/bank-account.ts'
import { activeBankAccounts, listBankAccounts, type Place } from '../../src/banks/find.ts'
import { unlink } from '../../src/banks/unlink.ts'
import { newId } from '../../src/ids/ids.ts'
import { type FreshDatabase, freshDatabase } from '../kit/database.ts'
import { daysAfter, linked, newParts } from './linked.ts'

let database: FreshDatabase
before(async () => {
  database = await freshDatabase()
})
after(async () => await database.drop())

const parts = newParts()
const always = { start: null, end: null }
const idsOf = (accounts: readonly BankAccount[]) =>
  accounts.map(({ bankAccountId }) => bankAccountId)

test('pages hold every account once, newest first, also those of the same time', async () => {
  const userId = newId('user')
  const made: BankAccount[] = []
  for (const day of [0, 0, 1, 1, 1, 2, 3]) {
    made.push(await linked(database.pool, parts, { userId }, daysAfter(day)))
  }
  await linked(database.pool, parts)
  for (const limit of [1, 2, 3, 7, 100]) {
    const seen: BankAccount[] = []
    let page: BankAccount[]
    do {
      const before: Place | null = seen.at(-1) ?? null
      page = await listBankAccounts(database.pool, userId, { ...always, limit, before })
      assert(page.length <= limit)
      seen.push(...page)
    } while (page.length > 0)
    assert.deepEqual(idsOf(seen), idsOf(made.toReversed()))
  }
})

test('a new account does not shift or repeat the pages behind it', async () => {
  const userId = newId('user')
  const first = await linked(database.pool, parts, { userId }, daysAfter(0))
  const second = await linked(database.pool, parts, { userId }, daysAfter(1))
  const ask = { ...always, limit: 1 }
  const top = await listBankAccounts(database.pool, userId, { ...ask, before: null })
  assert.deepEqual(top, [second])
  await linked(database.pool, parts, { userId }, daysAfter(2))
  assert.deepEqual(await listBankAccounts(database.pool, userId, { ...ask, before: second }), [
    first,
  ])
})

test('a range starts with its start and stops before its end', async () => {
  const userId = newId('user')
  const made: BankAccount[] = []
  for (const day of [0, 1, 2]) {
    made.push(await linked(database.pool, parts, { userId }, daysAfter(day)))
  }
  const [zero, one, two] = idsOf(made)
  const ranges = [
    [null, null, [two, one, zero]],
    [daysAfter(1), null, [two, one]],
    [null, daysAfter(1), [zero]],
    [daysAfter(1), daysAfter(2), [one]],
    [daysAfter(1), daysAfter(1), []],
    [daysAfter(2), daysAfter(1), []],
  ] as const
  for (const [start, end, expected] of ranges) {
    const ask = { start, end, limit: 10, before: null }
    assert.deepEqual(idsOf(await listBankAccounts(database.pool, userId, ask)), expected)
    assert.deepEqual(idsOf(await activeBankAccounts(database.pool, userId, ask)), expected)
  }
})

test('an unlinked account stays in the list, and leaves what is linked now', async () => {
  const userId = newId('user')
  const gone = await linked(database.pool, parts, { userId }, daysAfter(0))
  const here = await linked(database.pool, parts, { userId }, daysAfter(1))
  await unlink(database.pool, userId, gone.bankAccountId, daysAfter(2))
  assert.deepEqual(await activeBankAccounts(database.pool, userId, always), [here])
  const ask = { ...always, limit: 10, before: null }
  const all = await listBankAccounts(database.pool, userId, ask)
  assert.deepEqual(
    all.map(({ bankAccountId, status }) => [bankAccountId, status]),
    [
      [here.bankAccountId, 'pending_verification'],
      [gone.bankAccountId, 'disabled'],
    ],
  )
})
