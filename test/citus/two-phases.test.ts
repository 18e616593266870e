import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { watchCommits } from '../../src/db/citus/recovery.ts'
import { isLockTimeout } from '../../src/db/errors.ts'
import { beginning } from '../../src/db/session.ts'
import { inTransaction } from '../../src/db/tx.ts'
import { AppError } from '../../src/errors.ts'
import type { UserId } from '../../src/ids/ids.ts'
import type { AccountId } from '../../src/ledger/account.ts'
import { lockAccounts, setAccountState } from '../../src/ledger/store.ts'
import type { Passenger } from '../../src/payments/ride/passenger.ts'
import { createPassengers } from '../../src/payments/ride/passengers.ts'
import { findRequests, insertRequests } from '../../src/payments/ride/store.ts'
import type { Digest } from '../../src/payments/rules/fingerprint.ts'
import { addJob } from '../../src/queue/jobs.ts'
import { systemClock } from '../../src/time.ts'
import { nextCommit, type Proxy } from '../chaos/kit/proxy.ts'
import { noCitus } from '../kit/citus/cluster.ts'
import { until } from '../kit/until.ts'
import { type Books, openBooks, payment, quiet } from '../ledger/books.ts'
import { type Cluster, openCluster, proxySecond, SECOND_PHASE } from './kit.ts'

const here = { skip: noCitus }
const RECOVERED_WITHIN_MS = 10_000

let books: Books
let cluster: Cluster
/** Stands between the coordinator and its second worker. */
let proxy: Proxy
let first: AccountId
let second: AccountId
/** Beside the first. */
let neighbour: AccountId

before(async () => {
  if (noCitus !== false) return
  books = await openBooks()
  cluster = await openCluster(books.url)
  proxy = await proxySecond(cluster)
  const ids = await books.accounts(12, 1_000n)
  ;[first, second] = (await cluster.oneOnEach(ids)) as [AccountId, AccountId]
  const others = await cluster.oneOnEach(ids.filter((id) => id !== first))
  ;[neighbour] = others as [AccountId]
})
after(async () => {
  if (noCitus !== false) return
  await cluster.close()
  await books.close()
  await proxy.close()
})

const prepared = async (): Promise<number> => {
  const [row] = await cluster.askWorker(
    1,
    'select count(*)::int as count from pg_prepared_xacts where database = current_database()',
  )
  return Number(row?.['count'])
}

test('a commit that lost a worker between its phases is finished in time', here, async () => {
  const ledger = books.ledger({ passengers: quiet })
  proxy.plan(nextCommit('cut-before', SECOND_PHASE))
  const ride = payment(first, second, 10n)
  await assert.rejects(ledger.post(ride), (error) => {
    return error instanceof AppError && error.code === 'outcome_unknown'
  })
  assert.equal(proxy.faults(), 1)
  assert.equal(await prepared(), 1)
  // Committed, and not yet to be seen on one of the shards: whoever wants to know waits there.
  const asking = inTransaction(books.pool, async (tx) => await lockAccounts(tx, [second]), {
    lockTimeoutMs: 300,
  })
  await assert.rejects(asking, isLockTimeout)
  const start = performance.now()
  const watch = watchCommits(books.pool)
  await until('it was finished', async () => (await prepared()) === 0, RECOVERED_WITHIN_MS)
  assert(performance.now() - start < RECOVERED_WITHIN_MS)
  await watch.stop()
  assert.equal((await books.entries()).get(ride.movement.transaction), 2)
  await books.assertSound()
})

test(
  'a commit whose first phase has no answer is undone, or asked for again: never half',
  here,
  async () => {
    const faults = proxy.faults()
    const ledger = books.ledger({ passengers: quiet })
    proxy.plan(nextCommit('cut-after', /^PREPARE TRANSACTION/i))
    const ride = payment(first, second, 10n)
    const watch = watchCommits(books.pool)
    const heard = await ledger.post(ride).then(
      ({ outcome }) => outcome,
      (error: unknown) => (error instanceof AppError ? error.code : assert.fail(String(error))),
    )
    assert.equal(proxy.faults(), faults + 1)
    await until('it was finished', async () => (await prepared()) === 0, RECOVERED_WITHIN_MS)
    await watch.stop()
    const entries = (await books.entries()).get(ride.movement.transaction) ?? 0
    if (heard === 'posted') assert.equal(entries, 2)
    else assert(heard === 'outcome_unknown' && entries % 2 === 0, `${heard}, ${entries} entries`)
    await books.assertSound()
  },
)

test('what is written on one worker and on the coordinator commits together', here, async () => {
  const faults = proxy.faults()
  proxy.plan(nextCommit('cut-before', /^PREPARE TRANSACTION/i))
  const jobs = async () => {
    const [row] = await cluster.ask('select count(*)::int as count from graphile_worker.jobs')
    return Number(row?.['count'])
  }
  const before = await jobs()
  const freezing = inTransaction(
    books.pool,
    async (tx) => {
      await setAccountState(tx, second, 'blocked')
      await addJob(tx, 'audit', {}, {})
    },
    { lockTimeoutMs: 1_000 },
  )
  await assert.rejects(freezing)
  assert.equal(proxy.faults(), faults + 1, 'it was to commit in two phases')
  assert.equal(await jobs(), before)
  const [row] = await cluster.ask(`select state from account where account_id = '${second}'`)
  assert.equal(row?.['state'], 'open')
})

const request = () => ({
  caller: second as string as UserId,
  key: randomUUID() as Digest,
  ask: randomUUID() as Digest,
  action: 'a test',
  subject: null,
})

test('a worker that was only locked, and copied to, commits with the others', here, async () => {
  const faults = proxy.faults()
  const made = request()
  proxy.plan(nextCommit('cut-before', /^PREPARE TRANSACTION/i))
  const copying = inTransaction(
    books.pool,
    async (tx) => {
      await lockAccounts(tx, [second])
      await insertRequests(tx, [made], systemClock.now())
    },
    { lockTimeoutMs: 1_000 },
  )
  await assert.rejects(copying)
  assert.equal(proxy.faults(), faults + 1, 'it was to commit in two phases')
  assert.deepEqual(await findRequests(books.pool, [made]), [])
})

test('so does the request of a job, away from the money that it books', here, async () => {
  const faults = proxy.faults()
  const made = request()
  const ledger = books.ledger({ passengers: createPassengers(null) })
  const passenger: Passenger = { request: made, step: { is: 'internal' } }
  const ride = payment(first, neighbour, 1n, { passenger })
  proxy.plan(nextCommit('cut-before', /^PREPARE TRANSACTION/i))
  await ledger.post(ride).catch((error: unknown) => assert(error instanceof AppError))
  assert.equal(proxy.faults(), faults + 1, 'it was to commit in two phases')
  const rows = await findRequests(books.pool, [made])
  assert.equal((await books.entries()).get(ride.movement.transaction) ?? 0, 2 * rows.length)
})

test('nobody waits longer for a lock on a worker than they said', here, async () => {
  const other = await books.pool.lend()
  for (const text of beginning(other, 1_000)) await other.query(text)
  await lockAccounts(other, [second])
  const start = performance.now()
  const waiting = inTransaction(books.pool, async (tx) => await lockAccounts(tx, [second]), {
    lockTimeoutMs: 400,
  })
  await assert.rejects(waiting, isLockTimeout)
  const waited = performance.now() - start
  assert(waited > 300 && waited < 3_000, `${waited} ms`)
  other.destroy()
})

test('crossing batches of two servers need no detector of deadlocks', here, async () => {
  const ids = await books.accounts(8, 10_000n)
  const before = await deadlocks()
  const servers = [1, 2].map(() => books.ledger({ passengers: quiet }))
  const rides = Array.from({ length: 400 }, (_, index) => {
    const from = ids[index % 8] ?? first
    const to = ids[(index * 3 + 1) % 8] ?? first
    return from === to ? payment(from, second, 1n) : payment(from, to, 1n)
  })
  const posted = await Promise.all(
    rides.map(async (ride, index) => await servers[index % 2]?.post(ride)),
  )
  assert(posted.every((verdict) => verdict?.outcome === 'posted'))
  await sleep(1_200) // statistics come late
  assert.equal(await deadlocks(), before)
  await books.assertSound()
})

async function deadlocks(): Promise<number> {
  const counted = cluster.workers.map(
    async (_, place) =>
      await cluster.askWorker(
        place,
        `select deadlocks::int as count from pg_stat_database
         where datname = current_database()`,
      ),
  )
  return (await Promise.all(counted)).reduce((sum, [row]) => sum + Number(row?.['count']), 0)
}
