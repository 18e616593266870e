import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { NUMBER_KEPT, eraseOld } from '../../src/banks/erase.ts'
import { findBankAccount, lockForTransfer, openNumber } from '../../src/banks/find.ts'
import { unlink } from '../../src/banks/unlink.ts'
import { connectLedger } from '../../src/db/pool.ts'
import { inTransaction } from '../../src/db/tx.ts'
import { newId } from '../../src/ids/ids.ts'
import { after as later } from '../../src/time.ts'
import { type FreshDatabase, freshDatabase } from '../kit/database.ts'
import { untilLocked } from '../kit/until.ts'
import { daysAfter, linked, monday, newParts } from './linked.ts'

let database: FreshDatabase
before(async () => {
  database = await freshDatabase()
})
after(async () => await database.drop())

const parts = newParts()
const options = { lockTimeoutMs: 5_000 }
const idsOf = (accounts: readonly { bankAccountId: string }[]) =>
  accounts.map(({ bankAccountId }) => bankAccountId).sort()

test('an unlinked account is disabled at once, stays readable, and is unlinked once', async () => {
  const { pool } = database
  const { userId, bankAccountId } = await linked(pool, parts)
  await unlink(pool, userId, bankAccountId, daysAfter(1))
  const account = await findBankAccount(pool, userId, bankAccountId)
  assert.equal(account?.status, 'disabled')
  assert.equal(account?.disabledAt, daysAfter(1))
  const again = unlink(pool, userId, bankAccountId, daysAfter(2))
  await assert.rejects(again, { code: 'bank_account_unknown' })
  assert.equal((await findBankAccount(pool, userId, bankAccountId))?.disabledAt, daysAfter(1))
})

test("nobody unlinks another user's account, or one that never was", async () => {
  const { pool } = database
  const { userId, bankAccountId } = await linked(pool, parts)
  const byStranger = unlink(pool, newId('user'), bankAccountId, monday)
  await assert.rejects(byStranger, { code: 'bank_account_unknown' })
  const ofNone = unlink(pool, userId, newId('bank'), monday)
  await assert.rejects(ofNone, { code: 'bank_account_unknown' })
  const account = await findBankAccount(pool, userId, bankAccountId)
  assert.equal(account?.status, 'pending_verification')
})

test('ten unlinkings at once: one happens', async () => {
  const { pool } = database
  const { userId, bankAccountId } = await linked(pool, parts)
  const tries = Array.from({ length: 10 }, async () => {
    await unlink(pool, userId, bankAccountId, monday)
  })
  const outcomes = await Promise.allSettled(tries)
  assert.equal(outcomes.filter(({ status }) => status === 'fulfilled').length, 1)
})

test('an unlinking waits for a transfer that came first', async () => {
  const { pool } = database
  const account = await linked(pool, parts)
  const { userId, bankAccountId } = account
  const order: string[] = []
  const { unlinking } = await inTransaction(
    pool,
    async (tx) => {
      const [locked] = await lockForTransfer(tx, [account])
      assert.notEqual(locked?.status, 'disabled')
      const unlinking = (async () => {
        await unlink(pool, userId, bankAccountId, monday)
        order.push('unlinked')
      })()
      await untilLocked(pool, 1)
      order.push('transfer committed')
      return { unlinking }
    },
    options,
  )
  await unlinking
  assert.deepEqual(order, ['transfer committed', 'unlinked'])
})

test('a transfer that comes second waits for the unlinking, and sees it', async () => {
  const { pool } = database
  const account = await linked(pool, parts)
  const { userId, bankAccountId } = account
  const { locking } = await inTransaction(
    pool,
    async (tx) => {
      await unlink(tx, userId, bankAccountId, monday)
      const locking = inTransaction(
        pool,
        async (tx) => await lockForTransfer(tx, [account]),
        options,
      )
      await untilLocked(pool, 1)
      return { locking }
    },
    options,
  )
  assert.deepEqual(
    (await locking).map(({ status }) => status),
    ['disabled'],
  )
})

test('transfers do not wait for each other', async () => {
  const { pool } = database
  const account = await linked(pool, parts)
  await inTransaction(
    pool,
    async (tx) => {
      await lockForTransfer(tx, [account])
      const other = inTransaction(pool, async (tx) => await lockForTransfer(tx, [account]), {
        lockTimeoutMs: 1_000,
      })
      assert.equal((await other).length, 1)
    },
    options,
  )
})

test('many are locked together, of many users; the unknown ones are missing', async () => {
  const { pool } = database
  const userId = newId('user')
  const wanted = [
    await linked(pool, parts, { userId }),
    await linked(pool, parts, { userId }),
    await linked(pool, parts),
  ]
  const [first] = wanted
  assert(first)
  const unknown = [
    { userId, bankAccountId: newId('bank') },
    { userId: newId('user'), bankAccountId: first.bankAccountId },
  ]
  const ledger = await connectLedger({
    url: database.url,
    statementTimeoutMs: 5_000,
    lockTimeoutMs: 5_000,
    applicationName: 'test',
  })
  try {
    const [, locked] = await Promise.all([
      ledger.query('begin'),
      lockForTransfer(ledger, [...wanted, ...unknown]),
    ])
    assert.deepEqual(idsOf(locked), idsOf(wanted))
  } finally {
    await ledger.close()
  }
})

test('an unlinked number opens as long as a return may come, and is erased then', async () => {
  const { pool } = database
  const accountNumber = '000555666777'
  const account = await linked(pool, parts, { accountNumber })
  const kept = await linked(pool, parts)
  await unlink(pool, account.userId, account.bankAccountId, daysAfter(1))
  const lastMoment = later(daysAfter(1), NUMBER_KEPT)

  await eraseOld(pool, lastMoment)
  assert.equal(await openNumber(pool, parts.sealKeys, account), accountNumber)

  assert((await eraseOld(pool, later(lastMoment, 1n))) >= 1)
  const opening = openNumber(pool, parts.sealKeys, account)
  await assert.rejects(opening, { code: 'bank_account_unknown' })
  const row = await findBankAccount(pool, account.userId, account.bankAccountId)
  assert.equal(row?.lastFour, '6777')
  assert.equal((await openNumber(pool, parts.sealKeys, kept)).length, 10)
  assert.equal(await eraseOld(pool, later(lastMoment, 1n)), 0)
})

test('the number is kept for longer than the 60 days in which banks take disputes', () => {
  assert(later(monday, NUMBER_KEPT) > daysAfter(60 + 5))
})

test('a number in use cannot be erased: the table refuses it', async () => {
  const { pool } = database
  const { bankAccountId } = await linked(pool, parts)
  const erasing = pool.query(
    'update bank_account set sealed_number = null where bank_account_id = $1',
    [bankAccountId],
  )
  await assert.rejects(erasing, /bank_account_keeps_number/)
})
