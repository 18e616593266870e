import assert from 'node:assert/strict'
import { after, afterEach, before, test } from 'node:test'
import { connectLedger } from '../../src/db/pool.ts'
import type { LedgerConnection } from '../../src/db/pool.ts'
import type { Statement } from '../../src/db/query.ts'
import type { Account, AccountId } from '../../src/ledger/account.ts'
import { accountsOf, writeBatch } from '../../src/ledger/batch.ts'
import type { Passengers, Ride } from '../../src/ledger/passengers.ts'
import { readAccounts, setAccountState } from '../../src/ledger/store.ts'
import { systemClock } from '../../src/time.ts'
import type { Micros } from '../../src/time.ts'
import { newAccount, openBooks, payment, quiet } from './books.ts'
import type { Books } from './books.ts'

let books: Books
let tx: LedgerConnection
before(async () => {
  books = await openBooks()
  tx = await connectLedger({
    url: books.url,
    statementTimeoutMs: 4_000,
    lockTimeoutMs: 300,
    applicationName: 'test batch',
  })
})
afterEach(async () => await books.assertSound())
after(async () => {
  await tx.close()
  await books.close()
})

const now = (): Micros => systemClock.now()

async function wallet(id: AccountId): Promise<Account> {
  const found = (await readAccounts(books.pool, [id])).get(id)
  assert(found)
  return found
}

async function write<P>(rides: readonly Ride<P>[], passengers: Passengers<P, never>) {
  return await writeBatch(tx, passengers, rides, now())
}

test('a batch is there when it is committed, and not before', async () => {
  const [alice, bob] = (await books.accounts(2, 10n)) as [AccountId, AccountId]
  const { verdicts, mark } = await write([payment(alice, bob, 4n)], quiet)
  assert.deepEqual(
    verdicts.map(({ outcome }) => outcome),
    ['posted'],
  )
  assert.equal((await wallet(bob)).balance, 10n)
  await tx.query('commit')
  const { balance, version, at } = await wallet(alice)
  assert.deepEqual({ balance, version, at }, { balance: 6n, version: 2n, at: mark?.at })
})

test('a batch that is rolled back leaves nothing, and its versions are given again', async () => {
  const [alice, bob] = (await books.accounts(2, 10n)) as [AccountId, AccountId]
  const first = await write([payment(alice, bob, 4n)], quiet)
  await tx.query('rollback')
  const second = await write([payment(alice, bob, 5n)], quiet)
  await tx.query('commit')
  assert.equal(second.mark?.version, first.mark?.version)
  assert.equal((await wallet(bob)).balance, 15n)
})

test('what is written is what was decided, column by column', async () => {
  const [alice, bob] = (await books.accounts(2, 10n)) as [AccountId, AccountId]
  const rides = [
    payment(alice, bob, 4n, { note: 'für Kaffee ☕' }),
    payment(alice, bob, 40n),
    payment(bob, alice, 1n),
  ]
  const { verdicts } = await write(rides, quiet)
  await tx.query('commit')
  const decided = verdicts.flatMap((verdict) => (verdict.outcome === 'void' ? [] : verdict.entries))
  const { rows } = await books.pool.query(
    `select account_id as account, version, transaction_id as transaction, at, amount, balance,
            held, sent, withdrawn, other_id as other, 'payment' as kind, opens, note
     from entry where transaction_id = any($1) order by array_position($1, transaction_id), amount`,
    [rides.map(({ movement }) => movement.transaction)],
  )
  assert.deepEqual(rows, decided)
})

test('when all are refused without a mark, nothing is written and nobody is asked to', async () => {
  const [alice] = (await books.accounts(1, 10n)) as [AccountId]
  const before = await wallet(alice)
  const passengers: Passengers<null, never> = {
    look: quiet.look,
    write: async () => assert.fail('there is nothing to write'),
  }
  const { verdicts, mark } = await write([payment(alice, newAccount(), 1n)], passengers)
  await tx.query('commit')
  assert.equal(mark, null)
  assert.deepEqual(
    verdicts.map(({ outcome }) => outcome),
    ['void'],
  )
  assert.deepEqual(await wallet(alice), before)
})

test('rows of passengers stand or fall with the money', async () => {
  const [alice, bob] = (await books.accounts(2, 10n)) as [AccountId, AccountId]
  await books.pool.query('create table ticket (name text)')
  const passengers: Passengers<string, never> = {
    look: async () => () => () => null,
    write: async (connection, settled) => {
      for (const { ride, verdict } of settled) {
        const text = `${ride.passenger} ${verdict.outcome}`
        await connection.query('insert into ticket values ($1)', [text])
      }
    },
  }
  const rides = [
    payment(alice, bob, 4n, { passenger: 'small' }),
    payment(alice, bob, 400n, { passenger: 'large' }),
  ]
  for (const end of ['rollback', 'commit']) {
    await write(rides, passengers)
    await tx.query(end)
  }
  const { rows } = await books.pool.query('select name from ticket order by name')
  assert.deepEqual(rows, [{ name: 'large declined' }, { name: 'small posted' }])
})

test('accounts are locked in the order of their ids, each once', async () => {
  const accounts = await books.accounts(5, 10n)
  const [a, b, c, d, e] = accounts.toSorted() as [
    AccountId,
    AccountId,
    AccountId,
    AccountId,
    AccountId,
  ]
  const rides = [payment(e, a, 1n), payment(c, e, 1n), payment(b, d, 1n), payment(a, e, 1n)]
  assert.deepEqual(accountsOf(rides), [a, b, c, d, e])
  const mark = { account: e, other: a, change: {}, opens: true, note: null }
  const marked = { ...payment(a, b, 1n).movement, ifDeclined: [mark] }
  assert.deepEqual(accountsOf([{ movement: marked, tokens: [], passenger: null }]), [a, b, e])
})

test('the lock and what passengers read go in one round trip', async () => {
  const [alice, bob] = (await books.accounts(2, 10n)) as [AccountId, AccountId]
  const sent: string[] = []
  const listening: LedgerConnection = {
    ...tx,
    query: async (statement: Statement | string, values?: readonly unknown[]) => {
      sent.push(typeof statement === 'string' ? statement : statement.name)
      return await tx.query(statement, values)
    },
  }
  const passengers: Passengers<null, never> = {
    look: async (connection) => {
      await connection.query('select 1')
      return () => () => null
    },
    write: async (connection) => {
      await connection.query('select 2')
    },
  }
  const work = writeBatch(listening, passengers, [payment(alice, bob, 1n)], now())
  assert.deepEqual(sent, ['begin isolation level read committed', 'ledger_lock', 'select 1'])
  await work
  await tx.query('commit')
  assert.deepEqual(sent.slice(3), ['ledger_write_accounts', 'ledger_append', 'select 2'])
})

test('a block that came while the batch waited for its lock is seen', async () => {
  const [alice, bob] = (await books.accounts(2, 10n)) as [AccountId, AccountId]
  const other = await books.pool.lend()
  await other.query('begin')
  await setAccountState(other, alice, 'blocked')
  const work = write([payment(alice, bob, 1n)], quiet)
  await other.query('commit')
  other.giveBack()
  const [verdict] = (await work).verdicts
  await tx.query('commit')
  assert(verdict?.outcome === 'declined')
  assert.equal(verdict.reason, 'account_blocked')
})

test('an account whose version changed under its lock fails the batch', async () => {
  const [alice, bob] = (await books.accounts(2, 10n)) as [AccountId, AccountId]
  const passengers: Passengers<null, never> = {
    look: async (connection) => {
      const text = 'update account set version = version + 1 where account_id = $1'
      await connection.query(text, [alice])
      return () => () => null
    },
    write: quiet.write,
  }
  await assert.rejects(write([payment(alice, bob, 1n)], passengers), assert.AssertionError)
  await tx.query('rollback')
})
