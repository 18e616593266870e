import assert from 'node:assert/strict'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { after, afterEach, before, test } from 'node:test'
import type { AppError } from '../../src/errors.ts'
import type { AccountId } from '../../src/ledger/account.ts'
import type { Ledger } from '../../src/ledger/ledger.ts'
import type { Passengers, Ride } from '../../src/ledger/passengers.ts'
import type { Verdict } from '../../src/ledger/post.ts'
import { refusedAs } from '../kit/refused.ts'
import { lockRows, openBooks, payment, quiet } from './books.ts'
import type { Books } from './books.ts'

let books: Books
before(async () => {
  books = await openBooks()
})
afterEach(async () => await books.assertSound())
after(async () => await books.close())

const at = <T>(list: readonly T[], index: number): T => list[index % list.length] as T

/** A walk that comes to every pair of ten accounts, in both directions. */
function crossing(accounts: readonly AccountId[], count: number, seed: number): Ride<null>[] {
  return Array.from({ length: count }, (_, index) => {
    const from = (index * 7 + seed) % accounts.length
    const to = (from + 1 + ((index * 3) % (accounts.length - 1))) % accounts.length
    return payment(at(accounts, from), at(accounts, to), BigInt(1 + ((index * 31) % 90)))
  })
}

async function deadlocks(): Promise<bigint> {
  const { rows } = await books.pool.query<{ deadlocks: bigint }>(
    'select deadlocks from pg_stat_database where datname = current_database()',
  )
  return rows[0]?.deadlocks ?? -1n
}

test('two processes on ten hot accounts make no cent and lose none', async () => {
  const accounts = await books.accounts(10, 100n)
  const ledgers = [books.ledger({ passengers: quiet }), books.ledger({ passengers: quiet })]
  const answers = await Promise.all(
    ledgers.flatMap((ledger, seed) =>
      crossing(accounts, 1_500, seed).map(async (ride) => {
        const verdict = await ledger.post(ride)
        return { id: ride.movement.transaction, outcome: verdict.outcome }
      }),
    ),
  )
  const entries = await books.entries()
  for (const { id, outcome } of answers) assert.equal(entries.get(id), outcome === 'posted' ? 2 : 1)
  const declined = answers.filter(({ outcome }) => outcome === 'declined').length
  assert(declined > 10 && declined < 2_000, `a test of both answers needs both: ${declined}`)
  let total = 0n
  for (const id of accounts) total += await books.balance(id)
  assert.equal(total, 1_000n)
})

test('payments that cross each other do not wait in a circle', async () => {
  const accounts = await books.accounts(10, 1_000n)
  const [east, west] = [books.ledger({ passengers: quiet }), books.ledger({ passengers: quiet })]
  const around = accounts.map((from, index) => [from, at(accounts, index + 1)] as const)
  for (let round = 0; round < 40; round++) {
    await Promise.all([
      ...around.map(async ([from, to]) => await east.post(payment(from, to, 1n))),
      ...around.toReversed().map(async ([from, to]) => await west.post(payment(to, from, 1n))),
    ])
  }
  // A connection hands its counts over when it ends.
  await Promise.all([east.close(), west.close()])
  assert.equal(await deadlocks(), 0n)
  for (const id of accounts) assert.equal(await books.balance(id), 1_000n)
})

test('the movements of an account are decided in the order in which they came', async () => {
  const [alice, bob] = (await books.accounts(2, 0n)) as [AccountId, AccountId]
  const [rich] = (await books.accounts(1, 600n)) as [AccountId]
  const ledger = books.ledger({ passengers: quiet })
  const order: string[] = []
  const rides = Array.from({ length: 600 }, (_, index) => {
    return index % 2 === 0 ? payment(rich, alice, 1n) : payment(alice, bob, 1n)
  })
  const verdicts = await Promise.all(
    rides.map(async (ride) => {
      const verdict = await ledger.post(ride)
      order.push(ride.movement.transaction)
      return verdict
    }),
  )
  // Each cent arrives just before it is needed: out of order, one would be missing.
  assert(verdicts.every(({ outcome }) => outcome === 'posted'))
  assert.deepEqual(
    order,
    rides.map(({ movement }) => movement.transaction),
  )
})

/** A room that notes who shared a batch, and lets one payment through for each passenger's name. */
function onceEach(batches: string[][]): Passengers<string, 'seen'> {
  return {
    look: async (tx, rides) => {
      batches.push(rides.map(({ passenger }) => passenger))
      const { rows } = await tx.query<{ name: string }>('select name from seen')
      const seen = new Set(rows.map(({ name }) => name))
      return () => (index) =>
        seen.has(rides[index]?.passenger ?? '') ? { outcome: 'void', reason: 'seen' } : null
    },
    write: async (tx, settled) => {
      const names = settled.filter(({ verdict }) => verdict.outcome !== 'void')
      await tx.query('insert into seen select unnest($1::text[])', [
        names.map(({ ride }) => ride.passenger),
      ])
    },
  }
}

test('rides with a token in common never share a batch: the later one sees the first', async () => {
  const [alice, bob] = (await books.accounts(2, 1_000n)) as [AccountId, AccountId]
  await books.pool.query('create table seen (name text primary key)')
  const batches: string[][] = []
  const passengers = onceEach(batches)
  const ledgers = [books.ledger({ passengers }), books.ledger({ passengers })]
  const names = Array.from({ length: 300 }, (_, index) => `key ${index % 60}`)
  const verdicts = await Promise.all(
    names.map(async (name, index) => {
      const ride = payment(alice, bob, 1n, { passenger: name, tokens: [name, 'x'.repeat(index)] })
      return await at(ledgers, index).post(ride)
    }),
  )
  assert.equal(verdicts.filter(({ outcome }) => outcome === 'posted').length, 60)
  assert.equal(verdicts.filter(({ outcome }) => outcome === 'void').length, 240)
  assert.equal(await books.balance(bob), 1_060n)
  for (const batch of batches) assert.equal(new Set(batch).size, batch.length)
  assert(
    batches.some((batch) => batch.length > 10),
    'nobody shared a batch at all',
  )
})

test('what no database would store harms its own payment alone', async () => {
  const accounts = await books.accounts(20, 10n)
  const ledger = books.ledger({ passengers: quiet })
  const rides = accounts.map((from, index) => {
    return payment(from, at(accounts, index + 1), 1n, { note: index === 7 ? 'a\0b' : 'fine' })
  })
  const answers = await Promise.allSettled(rides.map(async (ride) => await ledger.post(ride)))
  const posted = answers.map((one) => one.status === 'fulfilled' && one.value.outcome === 'posted')
  assert.deepEqual(
    posted,
    rides.map((_, index) => index !== 7),
  )
  const entries = await books.entries()
  assert.equal(entries.get(at(rides, 7).movement.transaction), undefined)
  assert.equal((await ledger.post(payment(at(accounts, 0), at(accounts, 1), 1n))).outcome, 'posted')
})

test('one that no database would store is found by halves', async () => {
  const accounts = await books.accounts(20, 1_000n)
  const ledger = books.ledger({ passengers: quiet, lanes: 1 })
  const rides = Array.from({ length: 500 }, (_, index) => {
    const note = index === 333 ? 'a\0b' : 'fine'
    return payment(at(accounts, index), at(accounts, index + 1), 1n, { note })
  })
  const sizes: number[] = []
  const count = (message: unknown): void => void sizes.push((message as { size: number }).size)
  subscribe('farthing:ledger.batch', count)
  const answers = await settled(ledger, rides)
  unsubscribe('farthing:ledger.batch', count)
  const refused = answers.flatMap(({ status }, index) => (status === 'rejected' ? index : []))
  assert.deepEqual(refused, [333])
  assert(sizes.length <= 10, `499 payments took ${sizes.length} batches`)
  assert.equal(
    sizes.reduce((sum, size) => sum + size, 0),
    499,
  )
})

async function settled(
  ledger: Ledger<null, never>,
  rides: readonly Ride<null>[],
): Promise<PromiseSettledResult<Verdict<never>>[]> {
  return await Promise.allSettled(rides.map(async (ride) => await ledger.post(ride)))
}

test('more than the queue holds is refused at once, and what it holds is carried out', async () => {
  const [alice, bob] = (await books.accounts(2, 100_000n)) as [AccountId, AccountId]
  const ledger = books.ledger({ passengers: quiet, lanes: 1 })
  const rides = Array.from({ length: 9_000 }, () => payment(alice, bob, 1n))
  const lock = await lockRows(books, [alice])
  const answers = settled(ledger, rides)
  await refusedAs('overloaded', ledger.post(payment(bob, alice, 1n)))
  await lock.release()
  const all = await answers
  const posted = all.filter((one) => one.status === 'fulfilled').length
  assert.equal(posted, 8_192)
  for (const one of all) {
    if (one.status === 'rejected') assert.equal((one.reason as AppError).code, 'overloaded')
  }
  assert.equal(await books.balance(bob), 100_000n + 8_192n)
})

test('a process that was paused answers those who waited too long, and goes on', async () => {
  const [alice, bob] = (await books.accounts(2, 10n)) as [AccountId, AccountId]
  const ledger = books.ledger({ passengers: quiet, lanes: 1 })
  const late = refusedAs('overloaded', ledger.post(payment(alice, bob, 1n)))
  // Sleeps in place, so that not even the event loop runs: as under SIGSTOP.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5_100)
  await late
  assert.equal((await ledger.post(payment(alice, bob, 1n))).outcome, 'posted')
})

async function connections(name: string): Promise<bigint> {
  const { rows } = await books.pool.query<{ count: bigint }>(
    'select count(*) as count from pg_stat_activity where application_name = $1',
    [name],
  )
  return rows[0]?.count ?? -1n
}

test('closing refuses what is new, finishes what waits, and leaves no connection', async () => {
  const accounts = await books.accounts(10, 1_000n)
  const ledger = books.ledger({ passengers: quiet, name: 'closing' })
  const token = { tokens: ['one of a kind'] }
  const rides = [
    ...crossing(accounts, 1_200, 0),
    ...Array.from({ length: 3 }, () => payment(at(accounts, 0), at(accounts, 1), 1n, token)),
  ]
  const answers = settled(ledger, rides)
  await ledger.close()
  await refusedAs('overloaded', ledger.post(payment(at(accounts, 0), at(accounts, 1), 1n)))
  assert((await answers).every(({ status }) => status === 'fulfilled'))
  assert.equal(await connections('closing'), 0n)
})

test('closing what was never used, or is closed already, is nothing', async () => {
  const ledger = books.ledger({ passengers: quiet })
  await ledger.close()
  await ledger.close()
})
