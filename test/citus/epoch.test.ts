import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { createEpochTable } from '../../src/cache/store.ts'
import { AppError } from '../../src/errors.ts'
import type { AccountId } from '../../src/ledger/account.ts'
import { nextCommit, type Proxy } from '../chaos/kit/proxy.ts'
import { noCitus } from '../kit/citus/cluster.ts'
import { until } from '../kit/until.ts'
import { type Books, openBooks, payment, quiet } from '../ledger/books.ts'
import { type Cluster, finishAll, openCluster, proxySecond, SECOND_PHASE } from './kit.ts'

const here = { skip: noCitus }
const FINISHED_WITHIN_MS = 10_000

let books: Books
let cluster: Cluster
/** Stands between the coordinator and its second worker. */
let proxy: Proxy

before(async () => {
  if (noCitus !== false) return
  books = await openBooks()
  cluster = await openCluster(books.url)
  proxy = await proxySecond(cluster)
})
after(async () => {
  if (noCitus !== false) return
  await cluster.close()
  await books.close()
  await proxy.close()
})

test('no epoch opens while a commit is left between its phases', here, async () => {
  const accounts = await cluster.oneOnEach(await books.accounts(12, 1_000n))
  const [first, second] = accounts as [AccountId, AccountId]
  const ledger = books.ledger({ passengers: quiet })
  const table = createEpochTable(books.pool)
  const row = await table.read()
  const next = { tag: `${row.number + 1n}-a`, reign: 'a/b' }
  proxy.plan(nextCommit('cut-before', SECOND_PHASE))
  await assert.rejects(ledger.post(payment(first, second, 10n)), (error) => {
    return error instanceof AppError && error.code === 'outcome_unknown'
  })
  assert.equal(proxy.faults(), 1)
  // What its worker shows is old, and would become a copy that nobody takes away.
  const [seen] = await cluster.ask(`select version from account where account_id = '${second}'`)
  assert.equal(await table.open(row, next), false)
  assert.equal((await table.read()).state, 'off')
  await finishAll(books.pool, FINISHED_WITHIN_MS)
  const [now] = await cluster.ask(`select version from account where account_id = '${second}'`)
  assert.equal(BigInt(String(now?.['version'])), BigInt(String(seen?.['version'])) + 1n)
  assert.equal(await table.open(row, next), true)
  assert.equal((await table.read()).state, 'on')
})

test('commits that are under way keep no epoch from opening', here, async () => {
  const ids = await books.accounts(8, 10_000n)
  const table = createEpochTable(books.pool)
  const before = await table.read()
  await table.close(before.tag, 'for the next one')
  await table.settle(before.tag)
  // These fence nothing, and so wait for nobody who opens an epoch.
  const ledger = books.ledger({ passengers: quiet })
  const opened = new AbortController()
  const paying = (async () => {
    for (let n = 0; !opened.signal.aborted; n++) {
      await ledger.post(payment(ids[n % 8] as AccountId, ids[(n + 1) % 8] as AccountId, 1n))
    }
  })()
  const row = await table.read()
  const next = { tag: `${row.number + 1n}-b`, reign: 'a/b' }
  assert.equal(row.state, 'off')
  assert(await until('it opened', async () => await table.open(row, next)))
  opened.abort()
  await paying
})

test('no epoch opens while a worker does not answer', here, async () => {
  const table = createEpochTable(books.pool)
  const before = await table.read()
  await table.close(before.tag, 'for the next one')
  await table.settle(before.tag)
  const row = await table.read()
  const [, worker] = cluster.workers
  assert.equal(row.state, 'off')
  await cluster.ask(`select citus_update_node(${worker?.id}, '127.0.0.1', 1)`)
  assert.equal(await table.open(row, { tag: `${row.number + 1n}-c`, reign: 'a/b' }), false)
})
