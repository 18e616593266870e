import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, test } from 'node:test'
import type { QueryResultRow } from 'pg'
import { readSessions } from '../../src/auth/sessions/store.ts'
import { readBankAccount, readPage } from '../../src/banks/store.ts'
import { readVersions } from '../../src/cache/store.ts'
import type { Queryable, Statement } from '../../src/db/query.ts'
import type { BankAccountId, TransactionId, UserId } from '../../src/ids/ids.ts'
import type { AccountId } from '../../src/ledger/account.ts'
import { readAccounts, readHistory, readTotals, versionAt } from '../../src/ledger/store.ts'
import { findTransaction } from '../../src/payments/history.ts'
import { findRequests } from '../../src/payments/ride/store.ts'
import { findOwnTransactions, knowsPayee } from '../../src/payments/store.ts'
import { printTime, systemClock } from '../../src/time.ts'
import { readIdentity, readLogin, readUser } from '../../src/users/store.ts'
import { noCitus } from '../kit/citus/cluster.ts'
import { type FreshDatabase, freshDatabase } from '../kit/database.ts'

const here = { skip: noCitus }

let database: FreshDatabase

before(async () => {
  database = await freshDatabase()
})
after(async () => {
  await database.drop()
})

const id = randomUUID()
const user = id as UserId
const other = randomUUID() as UserId
const account = id as string as AccountId
const now = systemClock.now()
const span = { from: 1n, below: 100n, limit: 20 }
const page = { start: null, end: null, before: null, limit: 20, which: 'all' } as const

/** What is read whenever somebody looks at themselves, their money and its history. */
const reads: Readonly<Record<string, (db: Queryable) => Promise<unknown>>> = {
  'a user': async (db) => await readUser(db, user),
  'who has a login name': async (db) => await readLogin(db, 'someone@example.com'),
  'who an outsider is': async (db) => await readIdentity(db, { issuer: 'https://x', subject: 'y' }),
  'a wallet': async (db) => await readAccounts(db, [account]),
  'a page of history': async (db) => await readHistory(db, account, span),
  'where a time is in a history': async (db) =>
    await versionAt(db, account, now).catch(() => undefined),
  'running totals': async (db) => await readTotals(db, account, 1n, 1),
  'own transactions of a page': async (db) =>
    await findOwnTransactions(db, user, [id as TransactionId]),
  'an earlier request': async (db) => await findRequests(db, [{ caller: user, key: id }]),
  'a payee': async (db) => await knowsPayee(db, user, randomUUID() as UserId),
  'a bank account': async (db) => await readBankAccount(db, user, id as BankAccountId),
  'a page of bank accounts': async (db) => await readPage(db, user, page),
  'the versions behind a copy': async (db) => await readVersions(db, user),
  'open sessions': async (db) => await readSessions(db, user, now),
}

for (const [what, read] of Object.entries(reads)) {
  test(`${what}: one shard is asked`, here, async () => {
    const asked: string[] = []
    await read(explaining(asked))
    assert(asked.length > 0)
    for (const plan of asked) assert.match(plan, /Task Count: 1\b/)
  })
}

test('a transaction by its id: one shard for its payer, all for the other side', here, async () => {
  await database.pool.query(
    `insert into transaction (transaction_id, payer_id, payee_id, kind, amount, status,
                              created_at, posted_at) values ($1, $2, $3, 1, 100, 1, $4, $4)`,
    [id, user, other, printTime(now)],
  )
  const asked = async (caller: UserId) => {
    const plans: string[] = []
    const seen: Queryable = {
      query: async (statement, values) => {
        await explaining(plans).query(statement, values)
        return await database.pool.query(statement, values)
      },
    }
    const view = await findTransaction(
      { pool: { ...database.pool, ...seen } },
      caller,
      id as TransactionId,
    )
    assert.equal(view.transactionId, id)
    return plans.map((plan) => /Task Count: (\d+)/.exec(plan)?.[1])
  }
  assert.deepEqual(await asked(user), ['1'])
  const [own, all] = await asked(other)
  assert.equal(own, '1')
  assert(Number(all) > 1)
})

test('what asks every shard is seen by the same look', here, async () => {
  const asked: string[] = []
  await explaining(asked).query('select count(*) from entry')
  assert.doesNotMatch(asked.join(), /Task Count: 1\b/)
})

/** Runs nothing: it has each statement explained, with its values, and answers no row. */
function explaining(plans: string[]): Queryable {
  return {
    query: async <R extends QueryResultRow>(
      statement: Statement | string,
      values?: readonly unknown[],
    ) => {
      const text = typeof statement === 'string' ? statement : (statement.spread ?? statement.text)
      const { rows } = await database.pool.query<{ 'QUERY PLAN': string }>(
        `explain (costs off) ${text}`,
        values ?? [],
      )
      plans.push(rows.map((row) => row['QUERY PLAN']).join('\n'))
      return { command: '', rowCount: 0, oid: 0, fields: [], rows: [] as R[] }
    },
  }
}
