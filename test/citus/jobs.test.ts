import assert from 'node:assert/strict'
import { after, afterEach, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { inTransaction } from '../../src/db/tx.ts'
import type { AccountId } from '../../src/ledger/account.ts'
import { setAccountState } from '../../src/ledger/store.ts'
import { addJob } from '../../src/queue/jobs.ts'
import { type JobRunner, runJobs } from '../../src/queue/run.ts'
import { calm, nextCommit, type Fault, type Proxy } from '../chaos/kit/proxy.ts'
import { noCitus } from '../kit/citus/cluster.ts'
import { until } from '../kit/until.ts'
import { type Books, openBooks } from '../ledger/books.ts'
import { type Cluster, finishAll, openCluster, proxySecond, SECOND_PHASE } from './kit.ts'

const here = { skip: noCitus }
/** Many times what a job waits for before it is begun. */
const SOON_MS = 1_000

let books: Books
let cluster: Cluster
/** Stands between the coordinator and its second worker, where the account is. */
let proxy: Proxy
let account: AccountId
let jobs: JobRunner | null = null
/** The account's state, as each job found it. */
let seen: unknown[] = []
let attempts: number[] = []
let faults = 0

before(async () => {
  if (noCitus !== false) return
  books = await openBooks()
  cluster = await openCluster(books.url)
  proxy = await proxySecond(cluster)
  const accounts = await cluster.oneOnEach(await books.accounts(12, 1_000n))
  ;[, account] = accounts as [AccountId, AccountId]
})
afterEach(async () => {
  await jobs?.stop()
  seen = []
  attempts = []
  if (noCitus !== false) return
  proxy.plan(calm)
  proxy.open()
  proxy.release()
  await finishAll(books.pool)
})
after(async () => {
  if (noCitus !== false) return
  await cluster.close()
  await books.close()
  await proxy.close()
})

const stateNow = async (): Promise<unknown> => {
  const { rows } = await books.pool.query<{ state: string }>(
    'select state from account where account_id = $1',
    [account],
  )
  return rows[0]?.state
}

function startJobs(): void {
  jobs = runJobs({
    databaseUrl: books.url,
    run: async ({ attempt }) => {
      seen.push(await stateNow())
      attempts.push(attempt)
    },
    concurrency: 2,
    timeouts: { shortMs: 60_000, longMs: 60_000 },
  })
}

/** Changes the account on its worker and adds a job on the coordinator, in one transaction. */
async function changeTo(state: 'open' | 'blocked'): Promise<void> {
  await inTransaction(
    books.pool,
    async (tx) => {
      await setAccountState(tx, account, state)
      await addJob(tx, 'audit', {}, {})
    },
    { lockTimeoutMs: 1_000 },
  )
}

const nextSecondPhase = (fault: Fault) => nextCommit(fault, SECOND_PHASE)

/** A runner has the job of the change, or is through with it. */
const isTaken = async (): Promise<boolean> => {
  const rows = await cluster.ask('select from graphile_worker.jobs where locked_at is not null')
  return rows.length === 1 || seen.length > 1
}

test('a job is not begun before its worker shows what was committed with it', here, async () => {
  await changeTo('open')
  startJobs()
  await until('the first one ran', () => seen.length === 1)
  proxy.plan(nextSecondPhase('stall-before'))
  faults += 1
  const changing = changeTo('blocked')
  await until('a runner has the job', isTaken)
  await sleep(SOON_MS)
  assert.equal(await stateNow(), 'open', 'the worker still shows what was before')
  assert.deepEqual(seen, ['open'])
  proxy.plan(calm)
  proxy.release()
  await changing
  await until('it ran', () => seen.length === 2)
  assert.deepEqual(seen, ['open', 'blocked'])
})

test('nor when a crash left the commit between its phases', here, async () => {
  await changeTo('open')
  startJobs()
  await until('the first one ran', () => seen.length === 1)
  proxy.plan(nextSecondPhase('cut-before'))
  await changeTo('blocked').catch(() => 'its outcome is not known')
  assert.equal(proxy.faults(), ++faults)
  await sleep(SOON_MS)
  await finishAll(books.pool)
  await until('it ran', () => seen.length === 2)
  assert.deepEqual(seen, ['open', 'blocked'])
})

test('while a worker is away a job waits, and uses up no attempt', here, async () => {
  startJobs()
  await addJob(books.pool, 'audit', {}, {})
  await until('the first one ran', () => seen.length === 1)
  proxy.shut()
  await addJob(books.pool, 'audit', {}, {})
  await sleep(2 * SOON_MS)
  assert.equal(seen.length, 1)
  proxy.open()
  await until('it ran', () => seen.length === 2)
  assert.deepEqual(attempts, [1, 1])
})
