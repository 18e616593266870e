import { noFence } from '../cache/kit/no-fence.ts'
import { onCitus } from '../kit/server.ts'
import assert from 'node:assert/strict'
import { after, afterEach, before, test } from 'node:test'
import { setTimeout as delay, setImmediate as nextTurn } from 'node:timers/promises'
import { connectLedger } from '../../src/db/pool.ts'
import type { LedgerConnection } from '../../src/db/pool.ts'
import { beginning } from '../../src/db/session.ts'
import type { Account, AccountId } from '../../src/ledger/account.ts'
import { accountsOf, AccountsLocked, writeBatch } from '../../src/ledger/batch.ts'
import type { Written } from '../../src/ledger/batch.ts'
import { commitBatch, createWriter, disagreementIn } from '../../src/ledger/commit.ts'
import type { End } from '../../src/ledger/commit.ts'
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

const LOCK_MS = 300

async function write<P>(rides: readonly Ride<P>[], passengers: Passengers<P, never>) {
  return await writeBatch(tx, { passengers, fence: noFence }, rides, now(), LOCK_MS)
}

async function commit({ writes }: Written<never>): Promise<End> {
  return await commitBatch(tx, writes, 2_000)
}

async function rollBack({ writes }: Written<never>): Promise<void> {
  writes.send()
  await tx.query('rollback')
}

test('a batch is there when it is committed, and not before', async () => {
  const [alice, bob] = (await books.accounts(2, 10n)) as [AccountId, AccountId]
  const written = await write([payment(alice, bob, 4n)], quiet)
  const { verdicts, mark } = written
  assert.deepEqual(
    verdicts.map(({ outcome }) => outcome),
    ['posted'],
  )
  assert.equal((await wallet(bob)).balance, 10n)
  assert.equal(await commit(written), 'committed')
  const { balance, version, at } = await wallet(alice)
  assert.deepEqual({ balance, version, at }, { balance: 6n, version: 2n, at: mark?.at })
})

test('a batch that is rolled back leaves nothing, and its versions are given again', async () => {
  const [alice, bob] = (await books.accounts(2, 10n)) as [AccountId, AccountId]
  const first = await write([payment(alice, bob, 4n)], quiet)
  await rollBack(first)
  const second = await write([payment(alice, bob, 5n)], quiet)
  await commit(second)
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
  const written = await write(rides, quiet)
  await commit(written)
  const entries = written.verdicts.flatMap((verdict) =>
    verdict.outcome === 'void' ? [] : verdict.entries,
  )
  const { rows } = await books.pool.query(
    `select account_id as account, version, transaction_id as transaction, at, amount, balance,
            held, sent, withdrawn, other_id as other, 'payment' as kind, opens, note
     from entry where transaction_id = any($1) order by array_position($1, transaction_id), amount`,
    [rides.map(({ movement }) => movement.transaction)],
  )
  assert.deepEqual(rows, entries)
})

test('when all are refused without a mark, nothing is written and nobody is asked to', async () => {
  const [alice] = (await books.accounts(1, 10n)) as [AccountId]
  const before = await wallet(alice)
  const passengers: Passengers<null, never> = {
    look: quiet.look,
    write: async () => assert.fail('there is nothing to write'),
  }
  const written = await write([payment(alice, newAccount(), 1n)], passengers)
  assert.equal(await commit(written), 'committed')
  assert.equal(written.mark, null)
  assert.deepEqual(
    written.verdicts.map(({ outcome }) => outcome),
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
  await rollBack(await write(rides, passengers))
  await commit(await write(rides, passengers))
  const { rows } = await books.pool.query('select name from ticket order by name')
  assert.deepEqual(rows, [{ name: 'large declined' }, { name: 'small posted' }])
})

test('what fails behind a lock that does not come is not taken for the reason', async () => {
  const [alice, bob] = (await books.accounts(2, 10n)) as [AccountId, AccountId]
  const other = await books.pool.lend()
  await other.query('begin')
  await other.query('select from account where account_id = $1 for update', [alice])
  const passengers: Passengers<null, never> = {
    look: async () => await Promise.reject(new Error('the transaction is aborted')),
    write: quiet.write,
  }
  const locked = write([payment(alice, bob, 1n)], passengers)
  await assert.rejects(locked, AccountsLocked)
  await tx.query('rollback')
  await other.query('rollback')
  other.giveBack()
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

/** The same connection with answers that take their time, and with an ear on what is sent. */
const late =
  (connection: LedgerConnection, sent: string[]): LedgerConnection['query'] =>
  async (statement, values) => {
    sent.push(typeof statement === 'string' ? statement : statement.name)
    const answer = connection.query<never>(statement, values)
    await delay(100)
    return await answer
  }

/** On one server nothing may be sent twice; on a cluster each shard gets its own. */
function eachShardOnce(sent: readonly string[]): readonly string[] {
  return onCitus() ? [...new Set(sent)] : sent
}

test('a batch goes in two round trips: lock and look, write and commit', async () => {
  const [alice, bob] = (await books.accounts(2, 10n)) as [AccountId, AccountId]
  const sent: string[] = []
  const far: LedgerConnection = { ...tx, query: late(tx, sent) }
  const passengers: Passengers<null, never> = {
    look: async (connection) => {
      await connection.query('select 1')
      return () => () => null
    },
    write: async (connection) => {
      await connection.query('select 2')
    },
  }
  const rides = [payment(alice, bob, 1n)]
  const writing = writeBatch(far, { passengers, fence: noFence }, rides, now(), LOCK_MS)
  // On a cluster there is one statement for each shard, and they leave together as well.
  const beforeIt = [...beginning(tx, LOCK_MS), 'ledger_lock', 'select 1']
  assert.deepEqual(eachShardOnce(sent), beforeIt)
  const asked = sent.length
  const { writes } = await writing
  const committing = commitBatch(far, writes, 2_000)
  await nextTurn()
  const together = ['ledger_write_accounts', 'ledger_append', 'select 2', 'commit']
  assert.deepEqual(eachShardOnce(sent.slice(asked)), together)
  assert.equal(await committing, 'committed')
})

test('a block that came while the batch waited for its lock is seen', async () => {
  const [alice, bob] = (await books.accounts(2, 10n)) as [AccountId, AccountId]
  const other = await books.pool.lend()
  await other.query('begin')
  await setAccountState(other, alice, 'blocked')
  const work = write([payment(alice, bob, 1n)], quiet)
  await other.query('commit')
  other.giveBack()
  const written = await work
  await commit(written)
  const [verdict] = written.verdicts
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
  const written = await write([payment(alice, bob, 1n)], passengers)
  await assert.rejects(commit(written), (error) => {
    const found = disagreementIn(error)?.message
    assert.equal(found, `an account changed under its lock: ${alice}`)
    return true
  })
  assert.equal((await wallet(bob)).balance, 10n)
})

test('other errors of the same kind are not taken for it', async () => {
  await assert.rejects(tx.query(`select 'an account changed'::bigint`), (error) => {
    assert.equal(disagreementIn(error), null)
    return true
  })
  assert.equal(disagreementIn(new Error(`books disagree: x: ${newAccount()}`)), null)
})

/** A room whose row is refused, by the database or by the driver before it gets there. */
const writing = (text: string, value: unknown): Passengers<null, never> => ({
  look: quiet.look,
  write: async (writer) => {
    await writer.query('select 1')
    await writer.query({ name: `test ${text}`, text }, [value])
    await writer.query('select 2')
  },
})

test('a write that fails takes the whole batch with it, although COMMIT was sent', async () => {
  const [alice, bob] = (await books.accounts(2, 10n)) as [AccountId, AccountId]
  const circle: Record<string, unknown> = {}
  circle['self'] = circle
  const refusals = [
    [writing('select 1 / $1::int', 0), /division by zero/],
    [writing('select $1::json', circle), /circular/],
  ] as const
  for (const [passengers, message] of refusals) {
    const written = await write([payment(alice, bob, 1n)], passengers)
    await assert.rejects(commit(written), message)
    await tx.query('rollback')
    assert.equal((await wallet(bob)).balance, 10n)
  }
})

test('a passenger that fails half way through its writes leaves nothing', async () => {
  const [alice, bob] = (await books.accounts(2, 10n)) as [AccountId, AccountId]
  const passengers: Passengers<null, never> = {
    look: quiet.look,
    write: async (writer) => {
      await writer.query('create table never (name text)')
      throw new RangeError('half way')
    },
  }
  const ledger = books.ledger({ passengers })
  await assert.rejects(ledger.post(payment(alice, bob, 1n)), /half way/)
  assert.equal((await wallet(bob)).balance, 10n)
  await assert.rejects(books.pool.query('select from never'), /does not exist/)
})

test('a statement that comes after the end of its batch is refused', async () => {
  const writer = createWriter(tx)
  await writer.query('select 1')
  const { answers, send } = writer.end()
  send()
  assert.equal((await Promise.all(answers)).length, 1)
  await assert.rejects(writer.query('select 2'), /after the end of its batch/)
})
