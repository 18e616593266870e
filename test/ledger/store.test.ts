import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import * as fc from 'fast-check'
import { inTransaction } from '../../src/db/tx.ts'
import type { AccountId } from '../../src/ledger/account.ts'
import {
  hasEntry,
  openAccounts,
  readAccounts,
  readHistory,
  readTotals,
  setAccountState,
  versionAt,
} from '../../src/ledger/store.ts'
import { post } from '../../src/ledger/post.ts'
import { systemClock } from '../../src/time.ts'
import type { Micros } from '../../src/time.ts'
import { newAccount, openBooks, payment, quiet } from './books.ts'
import type { Books } from './books.ts'

let books: Books
before(async () => {
  books = await openBooks()
})
after(async () => await books.close())

/** An account with entries at these times, and no money in any of them. */
async function chainAt(times: readonly bigint[]): Promise<AccountId> {
  const id = newAccount()
  await openAccounts(books.pool, [{ id, floor: 'zero' }], 0n as Micros)
  await books.pool.query(
    `insert into entry select $1, n, gen_random_uuid(), 'epoch'::timestamptz + at * interval '1 us',
       0, 0, 0, 0, 0, gen_random_uuid(), 1, n % 3 > 0, null
     from unnest($2::bigint[]) with ordinality as t (at, n)`,
    [id, times],
  )
  await books.pool.query('update account set version = $2 where account_id = $1', [
    id,
    times.length,
  ])
  return id
}

test('the version at a time is that of the first entry at or after it', async () => {
  const steps = fc.array(fc.bigInt(1n, 5n), { maxLength: 40 })
  await fc.assert(
    fc.asyncProperty(steps, async (spans) => {
      let last = 0n
      const times = spans.map((span) => (last += span))
      const id = await chainAt(times)
      for (let at = 0n; at <= last + 2n; at++) {
        const index = times.findIndex((time) => time >= at)
        const expected = BigInt(index < 0 ? times.length + 1 : index + 1)
        assert.equal(await versionAt(books.pool, id, at as Micros), expected)
      }
    }),
    { numRuns: 8 },
  )
})

test('a chain with a hole is not searched over', async () => {
  const id = await chainAt([1n, 2n, 3n])
  await books.pool.query('update account set version = 7 where account_id = $1', [id])
  await assert.rejects(versionAt(books.pool, id, 5n as Micros), /gap/)
})

test('a history is what opens, newest first, between two versions', async () => {
  const id = await chainAt([1n, 2n, 3n, 4n, 5n, 6n, 7n, 8n])
  const versions = async (from: bigint, below: bigint, limit: number) =>
    (await readHistory(books.pool, id, { from, below, limit })).map(({ version }) => version)
  assert.deepEqual(await versions(1n, 100n, 25), [8n, 7n, 5n, 4n, 2n, 1n])
  assert.deepEqual(await versions(2n, 7n, 25), [5n, 4n, 2n])
  assert.deepEqual(await versions(1n, 100n, 2), [8n, 7n])
  assert.deepEqual(await versions(1n, 7n, 2), [5n, 4n])
  assert.deepEqual(await versions(3n, 4n, 2), [])
})

test('totals are read upwards, from a version on', async () => {
  const id = await chainAt([10n, 20n, 30n])
  const read = await readTotals(books.pool, id, 2n, 5)
  assert.deepEqual(read, [
    { version: 2n, at: 20n, sent: 0n, withdrawn: 0n },
    { version: 3n, at: 30n, sent: 0n, withdrawn: 0n },
  ])
  assert.equal((await readTotals(books.pool, id, 1n, 1)).length, 1)
})

test('an account is opened at zero once; opening it again changes nothing', async () => {
  const [alice] = (await books.accounts(1, 10n)) as [AccountId]
  const nobody = newAccount()
  const now = systemClock.now()
  const asked = [alice, nobody].map((id) => ({ id, floor: 'zero' }) as const)
  await openAccounts(books.pool, asked, now)
  const found = await readAccounts(books.pool, [alice, nobody])
  assert.equal(found.get(alice)?.balance, 10n)
  const zero = { balance: 0n, held: 0n, sent: 0n, withdrawn: 0n, sending: 0n, withdrawing: 0n }
  const start = { floor: 'zero', state: 'open', version: 0n, at: now }
  assert.deepEqual(found.get(nobody), { id: nobody, ...start, ...zero })
})

test('a blocked account receives, a closed one does not, an opened one pays again', async () => {
  const [alice, bob] = (await books.accounts(2, 10n)) as [AccountId, AccountId]
  const ledger = books.ledger({ passengers: quiet })
  const outcomes: string[] = []
  for (const state of ['blocked', 'closed', 'open'] as const) {
    await inTransaction(books.pool, async (tx) => await setAccountState(tx, bob, state), {
      lockTimeoutMs: 1_000,
    })
    outcomes.push((await ledger.post(payment(alice, bob, 1n))).outcome)
    outcomes.push((await ledger.post(payment(bob, alice, 1n))).outcome)
  }
  assert.deepEqual(outcomes, ['posted', 'declined', 'declined', 'declined', 'posted', 'posted'])
})

test('an entry is known by its account, its version and its transaction together', async () => {
  const [alice, bob] = (await books.accounts(2, 10n)) as [AccountId, AccountId]
  const ledger = books.ledger({ passengers: quiet })
  const verdict = await ledger.post(payment(alice, bob, 1n))
  const [entry] = verdict.outcome === 'posted' ? verdict.entries : []
  assert(entry)
  assert(await hasEntry(books.pool, entry))
  assert(!(await hasEntry(books.pool, { ...entry, version: entry.version + 1n })))
  assert(!(await hasEntry(books.pool, { ...entry, account: entry.other, version: 9n })))
  const stranger = payment(alice, bob, 1n).movement.transaction
  assert(!(await hasEntry(books.pool, { ...entry, transaction: stranger })))
})

test('the database itself refuses what the rules refuse', async () => {
  const [alice, bob] = (await books.accounts(2, 10n)) as [AccountId, AccountId]
  const { pool } = books
  const change = async (set: string) =>
    await pool.query(`update account set ${set} where account_id = $1`, [alice])
  await assert.rejects(change('balance = -1'), /account_keeps_floor/)
  await assert.rejects(change('held = 11'), /account_keeps_floor/)
  await assert.rejects(change('held = -1'), /account_held_check/)
  await assert.rejects(change('sent = -1'), /account_sent_check/)
  await assert.rejects(change('balance = 9007199254740992'), /account_in_range/)
  await assert.rejects(pool.query('update entry set amount = 1'), /append-only/)
  await assert.rejects(pool.query('delete from entry'), /append-only/)
  await assert.rejects(pool.query('truncate entry'), /append-only/)
  const accounts = await readAccounts(pool, [alice, bob])
  const { verdicts } = post(accounts, [payment(alice, bob, 11n).movement], 1n as Micros, () => null)
  assert.equal(verdicts[0]?.outcome, 'declined')
})
