import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { after, afterEach, before, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { AppError } from '../../src/errors.ts'
import type { AccountId } from '../../src/ledger/account.ts'
import type { Ledger } from '../../src/ledger/ledger.ts'
import type { Passengers, Ride } from '../../src/ledger/passengers.ts'
import { calm, cuts, nextCommit, startProxy } from '../chaos/kit/proxy.ts'
import type { Fault, Proxy } from '../chaos/kit/proxy.ts'
import { createRandom, seedOf } from '../chaos/kit/random.ts'
import { refusedAs } from '../kit/refused.ts'
import { openBooks, payment, quiet } from './books.ts'
import type { Books } from './books.ts'

let books: Books
let proxy: Proxy
before(async () => {
  books = await openBooks()
  proxy = await startProxy(books.url)
})
afterEach(async () => await books.assertSound())
after(async () => {
  await books.close()
  await proxy.close()
})

/** What a caller heard, as the number of entries that must stand for it; null says either way. */
async function heard(ledger: Ledger<null, never>, ride: Ride<null>): Promise<number | null> {
  try {
    const { outcome } = await ledger.post(ride)
    return outcome === 'posted' ? 2 : 1
  } catch (error) {
    assert(error instanceof AppError, String(error))
    if (error.code === 'outcome_unknown') return null
    assert(['database_unavailable', 'overloaded'].includes(error.code), error.code)
    return 0
  }
}

async function assertTrue(rides: readonly Ride<null>[], answers: readonly (number | null)[]) {
  const entries = await books.entries()
  for (const [index, { movement }] of rides.entries()) {
    const stands = entries.get(movement.transaction) ?? 0
    assert.equal(stands, answers[index] ?? stands, movement.transaction)
  }
}

const faults: readonly Fault[] = ['cut-before', 'cut-behind', 'cut-after', 'stall-after']
for (const fault of faults) {
  test(`COMMIT ${fault}: nothing is lost, nothing doubled, nobody left in doubt`, async () => {
    const [alice, bob] = (await books.accounts(2, 100n)) as [AccountId, AccountId]
    const ledger = books.ledger({ passengers: quiet, url: proxy.url, lanes: 1 })
    proxy.plan(nextCommit(fault))
    const rides = Array.from({ length: 30 }, (_, index) => {
      return payment(alice, bob, index === 5 ? 1_000n : 1n)
    })
    const answers = await Promise.all(rides.map(async (ride) => await heard(ledger, ride)))
    // The ledger looks up what became of it, or does it again.
    assert.deepEqual(
      answers,
      rides.map((_, index) => (index === 5 ? 1 : 2)),
    )
    await assertTrue(rides, answers)
    assert.equal(await books.balance(bob), 129n)
  })
}

test('a database that cuts every time is told as unavailable, and nothing happened', async () => {
  const [alice, bob] = (await books.accounts(2, 100n)) as [AccountId, AccountId]
  const ledger = books.ledger({ passengers: quiet, url: proxy.url, lanes: 1 })
  proxy.plan({ ...calm, commit: () => 'cut-before' })
  await refusedAs('database_unavailable', ledger.post(payment(alice, bob, 1n)))
  proxy.plan(calm)
  assert.equal(await books.balance(bob), 100n)
  assert.equal(await heard(ledger, payment(alice, bob, 1n)), 2)
})

test('while all connections break, as with their balancer, for 20 ms, nobody is refused', async () => {
  const pairs = 8
  const accounts = await books.accounts(2 * pairs, 1_000n)
  const ledger = books.ledger({ passengers: quiet, url: proxy.url, lanes: pairs })
  const payAll = async () => {
    const rides = Array.from({ length: pairs }, (_, pair) => {
      return payment(accounts[2 * pair] as AccountId, accounts[2 * pair + 1] as AccountId, 1n)
    })
    return await Promise.all(rides.map(async (ride) => await heard(ledger, ride)))
  }
  for (let round = 0; round < 20; round += 1) {
    await payAll()
    const paying = payAll()
    await delay(round / 4)
    proxy.shut()
    // Whoever connects meanwhile is refused, too.
    await delay(20)
    proxy.open()
    const answers = await paying
    assert.deepEqual(
      answers,
      answers.map(() => 2),
      `round ${round}`,
    )
  }
})

test('connections cut at random, around COMMIT and elsewhere: every answer is true', async (t) => {
  const random = createRandom(seedOf(t))
  const accounts = await books.accounts(6, 50n)
  const ledgers = [0, 1].map(() => books.ledger({ passengers: quiet, url: proxy.url }))
  const rides: Ride<null>[] = []
  const answers: (number | null)[] = []
  proxy.plan({
    commit: () => (random.chance(0.2) ? random.pick(cuts) : null),
    bytes: () => (random.chance(0.2) ? random.below(20_000) : null),
  })
  for (let round = 0; round < 25; round++) {
    const some = Array.from({ length: 12 }, () => {
      const from = random.below(6)
      const to = (from + 1 + random.below(5)) % 6
      return payment(accounts[from] as AccountId, accounts[to] as AccountId, 7n)
    })
    const ledger = ledgers[round % 2] as Ledger<null, never>
    rides.push(...some)
    answers.push(...(await Promise.all(some.map(async (ride) => await heard(ledger, ride)))))
  }
  proxy.plan(calm)
  await assertTrue(rides, answers)
  let total = 0n
  for (const id of accounts) total += await books.balance(id)
  assert.equal(total, 300n)
  assert(answers.filter((one) => one !== null && one > 0).length > 150, 'most went through')
})

const kill = async (pid: number) =>
  await books.pool.query('select pg_terminate_backend($1::int)', [pid])

/**
 * Ends the server's side of the ledger's own connections, as an operator or a crash would.
 * `between` is after the decision, when nothing was written; `write` is with COMMIT on its way.
 */
function killing(when: 'look' | 'between' | 'write'): Passengers<string, never> {
  const killed = new Set<string>()
  const first = (rides: readonly Ride<string>[]) => {
    const name = rides[0]?.passenger ?? ''
    return killed.has(name) ? false : killed.add(name)
  }
  let pid = 0
  return {
    look: async (tx, rides) => {
      const { rows } = await tx.query<{ pid: number }>('select pg_backend_pid() as pid')
      pid = rows[0]?.pid ?? 0
      if (when === 'look' && first(rides)) await kill(pid)
      return () => () => null
    },
    write: async (writer, settled) => {
      if (when === 'look' || !first(settled.map(({ ride }) => ride))) return
      if (when === 'between') await kill(pid)
      else await writer.query('select pg_terminate_backend(pg_backend_pid())')
    },
  }
}

for (const when of ['look', 'between', 'write'] as const) {
  test(`a backend that is killed at its ${when} takes nothing with it`, async () => {
    const [alice, bob] = (await books.accounts(2, 10n)) as [AccountId, AccountId]
    const ledger = books.ledger({ passengers: killing(when), lanes: 1 })
    for (const name of ['one', 'two']) {
      const ride = payment(alice, bob, 1n, { passenger: name })
      assert.equal((await ledger.post(ride)).outcome, 'posted')
      assert.equal((await books.entries()).get(ride.movement.transaction), 2)
    }
    assert.equal(await books.balance(bob), 12n)
  })
}

const run = promisify(execFile)
const tampered = fileURLToPath(new URL('tampered.ts', import.meta.url))

test('a version that changed under its lock stops the process, and the batch is gone', async () => {
  const [alice, bob] = (await books.accounts(2, 10n)) as [AccountId, AccountId]
  await assert.rejects(
    run(process.execPath, [tampered, books.url, alice, bob], { timeout: 20_000 }),
    (error: Error & { code?: number; stderr?: string; stdout?: string }) => {
      assert.equal(error.code, 1)
      assert.match(error.stderr ?? '', /an account changed under its lock/)
      assert.match(error.stdout ?? '', /refused: an account changed under its lock/)
      return true
    },
  )
  assert.equal(await books.balance(bob), 10n)
})
