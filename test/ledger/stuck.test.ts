import assert from 'node:assert/strict'
import { after, afterEach, before, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import type { AppError } from '../../src/errors.ts'
import type { AccountId } from '../../src/ledger/account.ts'
import type { Ledger } from '../../src/ledger/ledger.ts'
import type { Passengers, Ride } from '../../src/ledger/passengers.ts'
import { refusedAs } from '../kit/refused.ts'
import { lockRows, openBooks, payment, quiet } from './books.ts'
import type { Books } from './books.ts'

let books: Books
before(async () => {
  books = await openBooks()
})
afterEach(async () => await books.assertSound())
after(async () => await books.close())

/** Longer than a batch waits for a lock. */
const A_WHILE_MS = 1_000
/** Who waited for a stuck account would wait for five seconds. The rest is for a busy machine. */
const SHORT_MS = 3_500
/** Less than a batch waits for a lock. On a busy machine one of some rounds is as short. */
const NO_WAIT_MS = 400
const ROUNDS = 7
const CROWD = 64

async function post(ledger: Ledger<null, never>, rides: readonly Ride<null>[]): Promise<void> {
  const verdicts = await Promise.all(rides.map(async (ride) => await ledger.post(ride)))
  assert(verdicts.every(({ outcome }) => outcome === 'posted'))
}

async function milliseconds(work: Promise<unknown>): Promise<number> {
  const start = performance.now()
  await work
  return performance.now() - start
}

for (const lanes of [1, 2]) {
  test(`who does not need a stuck wallet hardly waits for it, with ${lanes} lanes`, async () => {
    const [stuck, ...accounts] = (await books.accounts(41, 10n)) as [AccountId, ...AccountId[]]
    const ledger = books.ledger({ passengers: quiet, lanes })
    const unrelated = () =>
      accounts
        .slice(0, 20)
        .map((from, index) => payment(from, accounts[20 + index] as AccountId, 1n))
    const lock = await lockRows(books, [stuck])
    let answered = false
    const needy = ledger.post(payment(stuck, accounts[0] as AccountId, 1n)).finally(() => {
      answered = true
    })
    const first = await milliseconds(post(ledger, unrelated()))
    assert(first < SHORT_MS, `unrelated payers waited ${first} ms`)
    // Now it is known, and its own payee is paid by others meanwhile.
    const payee = payment(accounts[1] as AccountId, accounts[0] as AccountId, 1n)
    await post(ledger, [payee])
    let later = SHORT_MS
    for (let round = 0; round < ROUNDS && later > NO_WAIT_MS; round += 1) {
      later = Math.min(later, await milliseconds(post(ledger, unrelated())))
    }
    assert(later <= NO_WAIT_MS, `unrelated payers waited at least ${later} ms, each time again`)
    assert(!answered)
    await lock.release()
    const rest = await milliseconds(needy)
    assert(rest < SHORT_MS, `the one that needed it waited ${rest} ms after it was free`)
    assert.equal((await needy).outcome, 'posted')
    assert.equal(await books.balance(stuck), 9n)
  })
}

test('what wants a stuck account is decided in the order in which it came', async () => {
  const [stuck, ...others] = (await books.accounts(6, 0n)) as [AccountId, ...AccountId[]]
  const [rich] = (await books.accounts(1, 100n)) as [AccountId]
  const ledger = books.ledger({ passengers: quiet })
  const lock = await lockRows(books, [stuck])
  const order: number[] = []
  const answers: Promise<unknown>[] = []
  for (let index = 0; index < 40; index++) {
    // Each cent arrives just before it is needed: out of order, one would be missing.
    const other = others[index % others.length] as AccountId
    const ride = index % 2 === 0 ? payment(rich, stuck, 1n) : payment(stuck, other, 1n)
    const answer = async (): Promise<void> => {
      const { outcome } = await ledger.post(ride)
      assert.equal(outcome, 'posted')
      order.push(index)
    }
    answers.push(answer())
    if (index % 8 === 0) await delay(100)
  }
  await delay(200)
  assert.deepEqual(order, [])
  await lock.release()
  await Promise.all(answers)
  assert.deepEqual(
    order,
    order.toSorted((one, other) => one - other),
  )
})

test('of several stuck accounts each is used as soon as it is free', async () => {
  const stuck = (await books.accounts(3, 10n)) as [AccountId, AccountId, AccountId]
  const [other] = (await books.accounts(1, 0n)) as [AccountId]
  const ledger = books.ledger({ passengers: quiet })
  const locks = await Promise.all(stuck.map(async (id) => await lockRows(books, [id])))
  const answers = stuck.map(async (id) => await ledger.post(payment(id, other, 1n)))
  await delay(A_WHILE_MS)
  for (const index of [2, 0, 1]) {
    await locks[index]?.release()
    const waited = await milliseconds(answers[index] as Promise<unknown>)
    assert(waited < SHORT_MS, `it waited ${waited} ms`)
  }
  assert.equal(await books.balance(other), 3n)
})

test('who waits too long for a stuck account is refused, and nothing happened', async () => {
  const [stuck, alice, bob] = (await books.accounts(3, 10n)) as [AccountId, AccountId, AccountId]
  const ledger = books.ledger({ passengers: quiet, name: 'patient' })
  const lock = await lockRows(books, [stuck])
  const refused = refusedAs('database_unavailable', ledger.post(payment(stuck, bob, 1n)))
  const waited = milliseconds(refused)
  await delay(A_WHILE_MS)
  // Closing finishes what waits, this as well.
  const closed = ledger.close()
  const ms = await waited
  assert(ms > 4_500 && ms < 10_000, `it was refused after ${ms} ms`)
  await closed
  const { rows } = await books.pool.query(
    `select 1 from pg_stat_activity where application_name = 'patient'`,
  )
  assert.deepEqual(rows, [])
  await lock.release()
  assert.equal(await books.balance(stuck), 10n)
  await post(books.ledger({ passengers: quiet }), [payment(alice, bob, 1n)])
})

test('an account that others want for long, one after the other, is waited for in turn', async () => {
  const [hot, bob, carol, dan] = (await books.accounts(4, 100n)) as [
    AccountId,
    AccountId,
    AccountId,
    AccountId,
  ]
  const ledger = books.ledger({ passengers: quiet })
  const done = new AbortController()
  const crowd = async (): Promise<void> => {
    while (!done.signal.aborted) {
      const lock = await lockRows(books, [hot])
      await delay(700)
      await lock.release()
    }
  }
  const crowded = crowd()
  await delay(50)
  const wanted = post(ledger, [payment(hot, bob, 1n), payment(bob, hot, 1n)])
  void wanted.finally(() => done.abort())
  while (!done.signal.aborted) {
    const waited = await milliseconds(post(ledger, [payment(carol, dan, 1n)]))
    assert(waited < SHORT_MS, `an unrelated payer waited ${waited} ms`)
    await delay(100)
  }
  await wanted
  await crowded
})

test('a row of a passenger that someone has locked holds its own payment alone', async () => {
  const accounts = await books.accounts(16, 10n)
  await books.pool.query(`create table seat (name text primary key)`)
  await books.pool.query(`insert into seat values ('taken'), ('free')`)
  const seated: Passengers<string, never> = {
    look: async (tx, rides) => {
      const names = rides.map(({ passenger }) => passenger)
      await tx.query('select from seat where name = any($1) for share', [names])
      return () => () => null
    },
    write: async () => undefined,
  }
  const ledger = books.ledger({ passengers: seated, lanes: 1 })
  const other = await books.pool.lend()
  await other.query('begin')
  await other.query(`select from seat where name = 'taken' for update`)
  const [from, ...to] = accounts as [AccountId, ...AccountId[]]
  const names = to.map((_, index) => (index === 5 ? 'taken' : 'free'))
  const rides = to.map((id, index) => payment(id, from, 1n, { passenger: names[index] as string }))
  const answers = await Promise.allSettled(rides.map(async (ride) => await ledger.post(ride)))
  await other.query('rollback')
  other.giveBack()
  assert.deepEqual(
    answers.map(({ status }) => status),
    names.map((name) => (name === 'taken' ? 'rejected' : 'fulfilled')),
  )
})

test('a table that someone has locked holds nobody up for longer than one batch', async () => {
  const accounts = await books.accounts(2 * CROWD, 10n)
  const ledger = books.ledger({ passengers: quiet })
  const pay = async () =>
    await Promise.allSettled(
      accounts.slice(CROWD).map(async (from, index) => {
        await ledger.post(payment(from, accounts[index] as AccountId, 1n))
      }),
    )
  const other = await books.pool.lend()
  // As an index that is made while servers run.
  await other.query('begin; lock table entry in share mode')
  try {
    const start = performance.now()
    const answers = await pay()
    const ms = performance.now() - start
    for (const answer of answers) {
      assert(answer.status === 'rejected')
      assert.equal((answer.reason as AppError).code, 'database_unavailable')
    }
    assert(ms < 8_000, `the last was answered after ${ms} ms`)
  } finally {
    await other.query('rollback')
    other.giveBack()
  }
  assert((await pay()).every(({ status }) => status === 'fulfilled'))
})
