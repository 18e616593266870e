import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, test } from 'node:test'
import type { QueryResult, QueryResultRow } from 'pg'
import type { BankAccount } from '../../src/banks/bank-account.ts'
import { eraseOld } from '../../src/banks/erase.ts'
import { openNumber } from '../../src/banks/find.ts'
import { resealAll, resealBatch } from '../../src/banks/reseal.ts'
import { unlink } from '../../src/banks/unlink.ts'
import type { Queryable, Statement } from '../../src/db/query.ts'
import { type FreshDatabase, freshDatabase } from '../kit/database.ts'
import { daysAfter, linked, monday, newNumber, newParts } from './linked.ts'

let database: FreshDatabase
const parts = newParts()
const numbers = new Map<BankAccount, string>()

const newKey = { sealKeys: new Map([['second', randomBytes(32)]]) }
const bothKeys = new Map([...newKey.sealKeys, ...parts.sealKeys])

before(async () => {
  database = await freshDatabase()
  for (let n = 0; n < 25; n += 1) {
    const accountNumber = newNumber()
    numbers.set(await linked(database.pool, parts, { accountNumber }), accountNumber)
  }
})
after(async () => await database.drop())

const sealedUnder = async (key: string) => {
  const { rows } = await database.pool.query<{ n: number }>(
    'select count(*)::int as n from bank_account where seal_key = $1',
    [key],
  )
  return rows[0]?.n
}

// These run in order: they are one rotation, from its start to its end.

test('a number under a key that is gone is refused, and the key is named', async () => {
  const [account] = numbers.keys()
  assert(account)
  await assert.rejects(openNumber(database.pool, newKey.sealKeys, account), /key "first"/)
  await assert.rejects(resealAll(database.pool, newKey.sealKeys), /key "first"/)
  assert.equal(await sealedUnder('first'), 25)
})

test('with both keys servers read the old numbers and write under the new key', async () => {
  const [account, accountNumber] = [...numbers][0] ?? []
  assert(account)
  assert.equal(await openNumber(database.pool, bothKeys, account), accountNumber)
  const fresh = newNumber()
  numbers.set(
    await linked(database.pool, { ...parts, sealKeys: bothKeys }, { accountNumber: fresh }),
    fresh,
  )
  assert.equal(await sealedUnder('second'), 1)
})

test('a batch is bounded, and a run that stops there loses nothing', async () => {
  const batch = await resealBatch(database.pool, bothKeys, null, 10)
  assert.equal(batch.resealed, 10)
  assert(batch.last)
  assert.equal(await sealedUnder('second'), 11)
  assert.equal(await sealedUnder('first'), 15)
  const next = await resealBatch(database.pool, bothKeys, batch.last, 10)
  assert.equal(next.resealed, 10)
})

/** A database on which something else happens right after the first statement was answered. */
function interrupted(meanwhile: () => Promise<unknown>): Queryable {
  let calm = false
  return {
    query: async <R extends QueryResultRow>(
      statement: Statement | string,
      values?: readonly unknown[],
    ): Promise<QueryResult<R>> => {
      const answer = await database.pool.query<R>(statement, values)
      if (!calm) {
        calm = true
        await meanwhile()
      }
      return answer
    },
  }
}

test('a number that is erased between being read and being replaced stays erased', async () => {
  const gone = await linked(database.pool, parts)
  const { userId, bankAccountId } = gone
  await unlink(database.pool, userId, bankAccountId, monday)
  const db = interrupted(async () => {
    assert.equal(await eraseOld(database.pool, daysAfter(365)), 1)
  })
  assert.equal((await resealBatch(db, bothKeys, null, 100)).resealed, 5)
  const opening = openNumber(database.pool, bothKeys, gone)
  await assert.rejects(opening, { code: 'bank_account_unknown' })
})

test('two runs that read the same rows seal each of them once', async () => {
  const { bankAccountId } = await linked(database.pool, parts)
  const sealed = async () => {
    const { rows } = await database.pool.query<{ bytes: Buffer }>(
      'select sealed_number as bytes from bank_account where bank_account_id = $1',
      [bankAccountId],
    )
    return rows[0]?.bytes
  }
  const first: (Buffer | undefined)[] = []
  const db = interrupted(async () => {
    assert.equal(await resealAll(database.pool, bothKeys), 1)
    first.push(await sealed())
  })
  assert.equal(await resealAll(db, bothKeys), 0)
  assert.deepEqual(await sealed(), first[0])
})

test('afterwards the old key is not needed any more', async () => {
  const { rowCount } = await database.pool.query(
    `select 1 from bank_account where seal_key = 'first' and sealed_number is not null`,
  )
  assert.equal(rowCount, 0)
  for (const [account, accountNumber] of numbers) {
    assert.equal(await openNumber(database.pool, newKey.sealKeys, account), accountNumber)
  }
})
