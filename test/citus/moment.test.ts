import assert from 'node:assert/strict'
import { test } from 'node:test'
import { noCitus } from '../kit/citus/cluster.ts'
import { until } from '../kit/until.ts'
import { startPayers, useBooks } from './kit.ts'

const here = { skip: noCitus }
const opened = useBooks()

/** Slow enough that one shard is read long before another one. */
const sumNow = `select sum(balance + length(pg_sleep(0.01)::text))::text as sum from account`

test('beside running payments the audit reads all shards at one moment', here, async (t) => {
  const { books } = opened()
  const [sink, ...payers] = await books.accounts(12, 100_000n)
  assert(sink)
  const calm = new AbortController()
  // All to one: each payment moves money between shards, and so does a batch of them.
  const pairs = payers.map((from) => [from, sink] as const)
  const { heard, done } = startPayers(books, pairs, calm.signal)
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
    await done
  }
  t.diagnostic(`payments meanwhile: ${heard.size}`)
  assert.deepEqual(new Set(heard.values()), new Set(['posted']))
  await books.assertSound()
})

test('a shard without its trigger is named', here, async () => {
  const { books, cluster } = opened()
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
    await assert.rejects(opened().cluster.ask(change), /append-only/)
  }
})
