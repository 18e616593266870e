import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { findBankAccount, openNumber } from '../../src/banks/find.ts'
import {
  BANK_ACCOUNTS_MAX,
  link,
  type LinkAsk,
  LINKS_PER_DAY,
  PAIRS_PER_NUMBER,
} from '../../src/banks/link.ts'
import { unlink } from '../../src/banks/unlink.ts'
import { AppError, type ErrorCode } from '../../src/errors.ts'
import { newId } from '../../src/ids/ids.ts'
import { after as later } from '../../src/time.ts'
import { type FreshDatabase, freshDatabase } from '../kit/database.ts'
import { daysAfter, linked, monday, newNumber, newParts } from './linked.ts'

let database: FreshDatabase
before(async () => {
  database = await freshDatabase()
})
after(async () => await database.drop())

const parts = newParts()
const withCode = (code: ErrorCode) => (error: unknown) =>
  error instanceof AppError && error.code === code

test('a number is sent five pairs of amounts in 30 days, whoever links it, also at once', async () => {
  const accountNumber = newNumber()
  const careful = { ...parts, pairsPerNumber: PAIRS_PER_NUMBER }
  const link = async (day: number) =>
    await linked(database.pool, careful, { accountNumber }, daysAfter(day))
  const many = await Promise.allSettled(Array.from({ length: 12 }, async () => await link(0)))
  assert.equal(many.filter(({ status }) => status === 'fulfilled').length, PAIRS_PER_NUMBER)
  for (const one of many) {
    if (one.status === 'rejected') assert(withCode('bank_number_limit')(one.reason))
  }
  await assert.rejects(link(29), withCode('bank_number_limit'))
  await link(30)
  const other = { accountNumber: newNumber() }
  await linked(database.pool, careful, other, daysAfter(29))
})

test('a linked account waits for its micro-entries and shows the end of its number', async () => {
  const accountNumber = '000123456789'
  const account = await linked(database.pool, parts, { accountNumber, accountType: 'savings' })
  assert.equal(account.status, 'pending_verification')
  assert.equal(account.lastFour, '6789')
  assert.equal(account.accountType, 'savings')
  assert.equal(account.createdAt, monday)
  assert.equal(account.disabledAt, null)
  const { userId, bankAccountId } = account
  assert.deepEqual(await findBankAccount(database.pool, userId, bankAccountId), account)
  assert(!Object.values(account).some((value) => String(value).includes(accountNumber)))
  assert.equal(await openNumber(database.pool, parts.sealKeys, account), accountNumber)
})

test('no column of the table holds the number', async () => {
  const accountNumber = newNumber()
  const { bankAccountId } = await linked(database.pool, parts, { accountNumber })
  const { rows } = await database.pool.query<{ all: string; sealed: Buffer }>(
    `select row_to_json(b)::text as all, sealed_number as sealed from bank_account b
     where bank_account_id = $1`,
    [bankAccountId],
  )
  assert.equal(rows.length, 1)
  assert(!rows[0]?.all.includes(accountNumber))
  assert(!rows[0]?.sealed.includes(accountNumber))
})

test("another user's bank account is unknown", async () => {
  const { bankAccountId } = await linked(database.pool, parts)
  const stranger = newId('user')
  assert.equal(await findBankAccount(database.pool, stranger, bankAccountId), null)
  const asStranger = { userId: stranger, bankAccountId }
  await assert.rejects(
    openNumber(database.pool, parts.sealKeys, asStranger),
    withCode('bank_account_unknown'),
  )
})

const refused: [what: string, changes: Partial<LinkAsk>, code: ErrorCode][] = [
  ['a wrong check digit', { routingNumber: '011000016' }, 'routing_number_invalid'],
  ['a routing number of letters', { routingNumber: 'abcdefghi' }, 'routing_number_invalid'],
  ['an account number of three digits', { accountNumber: '123' }, 'request_invalid'],
  ['an account number of 18 digits', { accountNumber: '1'.repeat(18) }, 'request_invalid'],
  ['an account number with letters', { accountNumber: '12AB5678' }, 'request_invalid'],
]

for (const [what, changes, code] of refused) {
  test(`${what} is refused`, async () => {
    await assert.rejects(linked(database.pool, parts, changes), withCode(code))
  })
}

test('a routing number that only a sandbox has is refused where banks are real', async () => {
  const changes = { routingNumber: '790000051' }
  await linked(database.pool, parts, changes)
  const real = { ...parts, routingRanges: 'banks' as const }
  await assert.rejects(linked(database.pool, real, changes), withCode('routing_number_invalid'))
})

test('one user links a number once; another user may link it too', async () => {
  const userId = newId('user')
  const accountNumber = newNumber()
  const first = await linked(database.pool, parts, { userId, accountNumber })
  await assert.rejects(
    linked(database.pool, parts, { userId, accountNumber, accountType: 'savings' }),
    withCode('bank_account_duplicate'),
  )
  await linked(database.pool, parts, { accountNumber })
  await linked(database.pool, parts, { userId, accountNumber, routingNumber: '110000000' })
  await linked(database.pool, parts, { userId, accountNumber: `0${accountNumber}` })

  await unlink(database.pool, userId, first.bankAccountId, daysAfter(1))
  const again = await linked(database.pool, parts, { userId, accountNumber }, daysAfter(1))
  assert.notEqual(again.bankAccountId, first.bankAccountId)
})

test('ten links of one number at once make one bank account', async () => {
  const userId = newId('user')
  const accountNumber = newNumber()
  const tries = Array.from({ length: 10 }, async () => {
    return await linked(database.pool, parts, { userId, accountNumber })
  })
  const outcomes = await Promise.allSettled(tries)
  assert.equal(outcomes.filter(({ status }) => status === 'fulfilled').length, 1)
  for (const outcome of outcomes) {
    if (outcome.status === 'rejected') {
      assert(withCode('bank_account_duplicate')(outcome.reason), String(outcome.reason))
    }
  }
})

test('a user has at most 20, also when 25 come at once; unlinking makes room', async () => {
  const userId = newId('user')
  const tries = Array.from({ length: BANK_ACCOUNTS_MAX + 5 }, async () => {
    return await linked(database.pool, parts, { userId })
  })
  const outcomes = await Promise.allSettled(tries)
  const made = outcomes.flatMap((outcome) =>
    outcome.status === 'fulfilled' ? [outcome.value] : [],
  )
  assert.equal(made.length, BANK_ACCOUNTS_MAX)
  for (const outcome of outcomes) {
    if (outcome.status === 'rejected') {
      assert(withCode('bank_account_limit')(outcome.reason), String(outcome.reason))
    }
  }
  const [one] = made
  assert(one)
  await unlink(database.pool, userId, one.bankAccountId, daysAfter(1))
  await linked(database.pool, parts, { userId }, daysAfter(1))
})

test('a user makes at most 20 links a day, however often they unlink', async () => {
  const { pool } = database
  const userId = newId('user')
  const accountNumber = newNumber()
  for (let made = 0; made < LINKS_PER_DAY; made += 1) {
    const { bankAccountId } = await linked(pool, parts, { userId, accountNumber })
    await unlink(pool, userId, bankAccountId, monday)
  }
  const same = linked(pool, parts, { userId, accountNumber })
  await assert.rejects(same, withCode('bank_account_limit'))
  const other = linked(pool, parts, { userId }, later(daysAfter(1), -1n))
  await assert.rejects(other, withCode('bank_account_limit'))
  await linked(pool, parts, { userId, accountNumber }, daysAfter(1))
})

test('a refused link leaves no row', async () => {
  const userId = newId('user')
  const ask = { userId, bankName: 'Bank', bankPhoneNumber: null, bankEmail: null }
  const destination = { routingNumber: '222222226', accountNumber: '1', accountType: 'checking' }
  await assert.rejects(
    link(database.pool, parts, { ...ask, ...destination, accountType: 'checking' }, monday),
  )
  const { rowCount } = await database.pool.query('select 1 from bank_account where user_id = $1', [
    userId,
  ])
  assert.equal(rowCount, 0)
})
