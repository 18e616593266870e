import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { findBankAccount } from '../../src/banks/find.ts'
import { link } from '../../src/banks/link.ts'
import { unlink } from '../../src/banks/unlink.ts'
import { recordMicroEntries, tryMicroAmounts } from '../../src/banks/verify.ts'
import { inTransaction } from '../../src/db/tx.ts'
import { newId } from '../../src/ids/ids.ts'
import { type FreshDatabase, freshDatabase } from '../kit/database.ts'
import { askFor, daysAfter, linked, monday, newNumber, newParts } from './linked.ts'

let database: FreshDatabase
before(async () => {
  database = await freshDatabase()
})
after(async () => await database.drop())

const parts = newParts()
const options = { lockTimeoutMs: 5_000 }
const wrong = [1, 2] as const
const wrongToo = [3, 4] as const

/** A linked account that was sent 11 and 22 cents. */
async function sent() {
  const account = await linked(database.pool, parts)
  const { userId, bankAccountId } = account
  await recordMicroEntries(database.pool, userId, bankAccountId, [22, 11])
  return account
}

const answer = async (
  { userId, bankAccountId }: Pick<Awaited<ReturnType<typeof sent>>, 'userId' | 'bankAccountId'>,
  amounts: readonly [number, number],
) => await tryMicroAmounts(database.pool, userId, bankAccountId, amounts)

test('the two amounts verify, in either order', async () => {
  for (const amounts of [[11, 22] as const, [22, 11] as const]) {
    const account = await sent()
    const answered = await answer(account, amounts)
    assert(answered.verdict === 'verified')
    assert.deepEqual(answered.bankAccount, { ...account, status: 'verified' })
    const { userId, bankAccountId } = account
    const found = await findBankAccount(database.pool, userId, bankAccountId)
    assert.deepEqual(found, answered.bankAccount)
  }
})

test('amounts that are half right are wrong', async () => {
  for (const amounts of [[11, 11] as const, [22, 22] as const, [11, 23] as const]) {
    const answered = await answer(await sent(), amounts)
    assert.deepEqual(answered, { verdict: 'micro_amounts_wrong', triesLeft: 2 })
  }
})

test('three wrong answers lock it, for right ones too', async () => {
  const account = await sent()
  assert.deepEqual(await answer(account, wrong), { verdict: 'micro_amounts_wrong', triesLeft: 2 })
  assert.deepEqual(await answer(account, wrongToo), {
    verdict: 'micro_amounts_wrong',
    triesLeft: 1,
  })
  assert.deepEqual(await answer(account, [5, 6]), { verdict: 'bank_account_locked' })
  assert.deepEqual(await answer(account, [11, 22]), { verdict: 'bank_account_locked' })
})

test('a wrong answer that comes again counts once, in either order, also many at once', async () => {
  const account = await sent()
  const again = [wrong, [2, 1] as const, wrong, wrong, [2, 1] as const]
  const verdicts = await Promise.all(again.map(async (amounts) => await answer(account, amounts)))
  for (const verdict of verdicts) {
    assert.deepEqual(verdict, { verdict: 'micro_amounts_wrong', triesLeft: 2 })
  }
  const second = await answer(account, wrongToo)
  assert.deepEqual(second, { verdict: 'micro_amounts_wrong', triesLeft: 1 })
  assert.deepEqual(await answer(account, wrong), second, 'as many are left as after all of them')
  assert.deepEqual(await answer(account, [5, 6]), { verdict: 'bank_account_locked' })
  assert.deepEqual(await answer(account, wrong), { verdict: 'bank_account_locked' })
})

test('the third try may still be right', async () => {
  const account = await sent()
  await answer(account, wrong)
  await answer(account, wrongToo)
  assert.equal((await answer(account, [11, 22])).verdict, 'verified')
})

test('twenty guesses at once are three guesses', async () => {
  const account = await sent()
  const guesses = Array.from({ length: 20 }, async (_, cents) => await answer(account, [1, cents]))
  const verdicts = (await Promise.all(guesses)).map(({ verdict }) => verdict)
  assert.equal(verdicts.filter((verdict) => verdict === 'micro_amounts_wrong').length, 2)
  assert.equal(verdicts.filter((verdict) => verdict === 'bank_account_locked').length, 18)
  assert.equal((await answer(account, [11, 22])).verdict, 'bank_account_locked')
})

test('an answer before the micro-entries were sent costs no try', async () => {
  const account = await linked(database.pool, parts)
  for (let n = 0; n < 4; n += 1) {
    assert.deepEqual(await answer(account, [11, 22]), { verdict: 'micro_entries_not_sent' })
  }
  await recordMicroEntries(database.pool, account.userId, account.bankAccountId, [11, 22])
  assert.equal((await answer(account, [11, 22])).verdict, 'verified')
})

test('what is verified, unlinked, foreign or unknown takes no answer', async () => {
  const account = await sent()
  const stranger = { ...account, userId: newId('user') }
  assert.deepEqual(await answer(stranger, [11, 22]), { verdict: 'bank_account_unknown' })
  await answer(account, [11, 22])
  assert.deepEqual(await answer(account, [11, 22]), { verdict: 'bank_account_not_pending' })
  await unlink(database.pool, account.userId, account.bankAccountId, monday)
  assert.deepEqual(await answer(account, [11, 22]), { verdict: 'bank_account_unknown' })
})

test('amounts are recorded once; others later are refused', async () => {
  const { userId, bankAccountId } = await linked(database.pool, parts)
  const record = async (amounts: readonly [number, number]) =>
    await recordMicroEntries(database.pool, userId, bankAccountId, amounts)
  assert.equal(await record([70, 7]), true)
  assert.equal(await record([70, 7]), false)
  assert.equal(await record([7, 70]), false)
  await assert.rejects(record([7, 71]), /do not match/)
  const ofNone = recordMicroEntries(database.pool, userId, newId('bank'), [1, 2])
  await assert.rejects(ofNone, /do not match/)
})

test('amounts are recorded for an account that was unlinked meanwhile', async () => {
  const { userId, bankAccountId } = await linked(database.pool, parts)
  await unlink(database.pool, userId, bankAccountId, monday)
  assert.equal(await recordMicroEntries(database.pool, userId, bankAccountId, [1, 2]), true)
})

test('linking again gives no fresh tries, until 30 days have passed', async () => {
  const userId = newId('user')
  const accountNumber = newNumber()
  const relink = async (day: number) => {
    const account = await linked(database.pool, parts, { userId, accountNumber }, daysAfter(day))
    await recordMicroEntries(database.pool, userId, account.bankAccountId, [11, 22])
    return account
  }
  const first = await relink(0)
  await answer(first, wrong)
  await answer(first, wrongToo)
  await unlink(database.pool, userId, first.bankAccountId, daysAfter(1))

  const second = await relink(2)
  const known = { verdict: 'micro_amounts_wrong', triesLeft: 1 }
  assert.deepEqual(await answer(second, wrong), known, 'it was counted before')
  assert.deepEqual(await answer(second, [5, 6]), { verdict: 'bank_account_locked' })
  await unlink(database.pool, userId, second.bankAccountId, daysAfter(3))

  await assert.rejects(relink(4), { code: 'bank_account_locked' })
  await assert.rejects(relink(32), { code: 'bank_account_locked' })
  const third = await relink(34)
  assert.deepEqual(await answer(third, wrong), { verdict: 'micro_amounts_wrong', triesLeft: 2 })
})

test('for 30 days a number that is linked again keeps the amounts it was sent', async () => {
  const { pool } = database
  const userId = newId('user')
  const accountNumber = newNumber()
  const relink = async (day: number) => {
    const ask = askFor(userId, { accountNumber })
    const done = await inTransaction(
      pool,
      async (tx) => await link(tx, parts, ask, daysAfter(day)),
      options,
    )
    return { ...done, ...done.bankAccount }
  }
  const first = await relink(0)
  assert.equal(first.unsent, first.bankAccountId)
  await unlink(pool, userId, first.bankAccountId, daysAfter(0))

  const second = await relink(1)
  assert.equal(second.unsent, first.bankAccountId, 'they are still to be sent, for the first link')
  assert.equal((await answer(second, [11, 22])).verdict, 'micro_entries_not_sent')
  await unlink(pool, userId, second.bankAccountId, daysAfter(1))
  assert(await recordMicroEntries(pool, userId, first.bankAccountId, [11, 22]))

  const third = await relink(29)
  assert.equal(third.unsent, null)
  assert.deepEqual(await answer(third, wrong), { verdict: 'micro_amounts_wrong', triesLeft: 2 })
  assert.equal((await answer(third, [11, 22])).verdict, 'verified')
  await unlink(pool, userId, third.bankAccountId, daysAfter(29))

  const fourth = await relink(29)
  assert.equal(fourth.status, 'pending_verification', 'its owner names them anew')
  await unlink(pool, userId, fourth.bankAccountId, daysAfter(29))

  const fifth = await relink(30)
  assert.equal(fifth.unsent, fifth.bankAccountId)
  assert.equal((await answer(fifth, [11, 22])).verdict, 'micro_entries_not_sent')
})

test('the amounts that an earlier link was sent verify a later one that waited', async () => {
  const { pool } = database
  const userId = newId('user')
  const accountNumber = newNumber()
  const first = await linked(pool, parts, { userId, accountNumber })
  await unlink(pool, userId, first.bankAccountId, monday)
  const second = await linked(pool, parts, { userId, accountNumber })
  const record = async (amounts: readonly [number, number]) =>
    await recordMicroEntries(pool, userId, first.bankAccountId, amounts)
  assert.equal(await record([22, 11]), true)
  assert.equal(await record([11, 22]), false)
  await assert.rejects(record([11, 23]), /do not match/)
  assert.equal((await answer(second, [11, 22])).verdict, 'verified')
})

test('the amounts stay with the user who was sent them', async () => {
  const accountNumber = newNumber()
  const first = await linked(database.pool, parts, { accountNumber })
  await recordMicroEntries(database.pool, first.userId, first.bankAccountId, [11, 22])
  const other = await linked(database.pool, parts, { accountNumber })
  assert.equal((await answer(other, [11, 22])).verdict, 'micro_entries_not_sent')
})

test('wrong answers before a right one are forgotten', async () => {
  const userId = newId('user')
  const accountNumber = newNumber()
  const account = await linked(database.pool, parts, { userId, accountNumber })
  await recordMicroEntries(database.pool, userId, account.bankAccountId, [11, 22])
  await answer(account, wrong)
  await answer(account, [11, 22])
  await unlink(database.pool, userId, account.bankAccountId, daysAfter(1))
  const again = await linked(database.pool, parts, { userId, accountNumber }, daysAfter(1))
  await recordMicroEntries(database.pool, userId, again.bankAccountId, [11, 22])
  assert.deepEqual(await answer(again, wrong), { verdict: 'micro_amounts_wrong', triesLeft: 2 })
})
