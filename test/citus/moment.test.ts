import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { noCitus } from '../kit/citus/cluster.ts'
import { until } from '../kit/until.ts'
import { type Books, openBooks, payment, quiet } from '../ledger/books.ts'
import { type Cluster, openCluster } from './kit.ts'

const here = { skip: noCitus }

let books: Books
let cluster: Cluster

before(async () => {
  if (noCitus !== false) return
  books = await openBooks()
  cluster = await openCluster(books.url)
})
after(async () => {
  if (noCitus !== false) return
  await cluster.close()
  await books.close()
})

/** Slow enough that one shard is read long before another one. */
const sumNow = `select sum(balance + length(pg_sleep(0.01)::text))::text as sum from account`

test('beside running payments the audit reads all shards at one moment', here, async (t) => {
  const ids = await books.accounts(12, 100_000n)
  const ledger = books.ledger({ passengers: quiet })
  const calm = new AbortController()
  const [sink, ...payers] = ids
  assert(sink)
  const paying = payers.map(async (from) => {
    // All to one: each payment moves money between shards, and so does a batch of them.
    while (!calm.signal.aborted) await ledger.post(payment(from, sink, 1n))
  })
  try {
    // Without it, some sums are of one shard before a payment and of another one after it.
    const torn = await until(
      'a sum over shards is wrong',
      async () => (await books.pool.query<{ sum: string }>(sumNow)).rows[0]?.sum !== '0',
      30_000,
    )
    assert(torn)
    for (let round = 0; round < 8; round += 1) await books.assertSound()
  } finally {
    calm.abort()
    await Promise.all(paying)
  }
  t.diagnostic(`payments meanwhile: ${(await books.entries()).size}`)
  await books.assertSound()
})

test('a shard without its trigger is named', here, async () => {
  const [shard] = await cluster.ask(
    `select s.shardid as id, n.nodeid as node from pg_dist_shard s
     join pg_dist_placement using (shardid) join pg_dist_node n using (groupid)
     where logicalrelid = 'entry'::regclass order by s.shardid limit 1`,
  )
  const place = cluster.workers.findIndex(({ id }) => id === shard?.['node'])
  const trigger = `entry_append_only_${String(shard?.['id'])}`
  const table = `entry_${String(shard?.['id'])}`
  const turn = async (how: string) =>
    await cluster.askWorker(
      place,
      `set citus.enable_manual_changes_to_shards = on; alter table ${table} ${how} trigger ${trigger}`,
    )
  await turn('disable')
  await assert.rejects(books.assertSound(), new RegExp(`shard ${String(shard?.['id'])} of entry`))
  await turn('enable')
  await books.assertSound()
})

test('each shard refuses changes of an entry', here, async () => {
  for (const change of ['update entry set note = null', 'delete from entry', 'truncate entry']) {
    await assert.rejects(cluster.ask(change), /append-only/)
  }
})
