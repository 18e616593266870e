import assert from 'node:assert/strict'
import { test } from 'node:test'
import { noCitus } from '../kit/citus/cluster.ts'
import { type Cluster, startPayers, useBooks } from './kit.ts'

const opened = useBooks()

async function placedAt(cluster: Cluster, port: number): Promise<number> {
  const [row] = await cluster.ask(
    `select count(*)::int as count from pg_dist_placement join pg_dist_node using (groupid)
     where nodeport = ${port} and noderole = 'primary'`,
  )
  return Number(row?.['count'])
}

test('a worker comes and goes while payments go on', { skip: noCitus }, async (t) => {
  const { books, cluster } = opened()
  const worker = cluster.workers.at(-1)
  assert(worker)
  const address = `'${worker.host}', ${worker.port}`
  await cluster.ask(`select citus_drain_node(${address}, 'block_writes')`)
  await cluster.ask(`select citus_remove_node(${address})`)
  const ids = await books.accounts(16, 100_000n)
  const calm = new AbortController()
  const ring = ids.map((from, index) => [from, ids[(index + 7) % ids.length] ?? from] as const)
  const { heard, done } = startPayers(books, ring, calm.signal)
  try {
    await cluster.ask(`select citus_add_node(${address})`)
    await cluster.ask('select rebalance_table_shards()')
    assert((await placedAt(cluster, worker.port)) > 0, 'shards have moved to it')
    await books.assertSound()
    await cluster.ask(`select citus_drain_node(${address})`)
    assert.equal(await placedAt(cluster, worker.port), 0, 'shards have moved away')
    await cluster.ask(`select citus_set_node_property(${address}, 'shouldhaveshards', true)`)
  } finally {
    calm.abort()
    await done
  }
  const entries = await books.entries()
  for (const [id, answer] of heard) {
    const count = entries.get(id) ?? 0
    if (answer === 'posted') assert.equal(count, 2, id)
    else if (answer === 'outcome_unknown') assert(count === 0 || count === 2, id)
    else assert.equal(count, 0, `${id}: ${answer}`)
  }
  const answers = Object.groupBy(heard.values(), (answer) => answer)
  t.diagnostic(
    Object.entries(answers)
      .map(([answer, all]) => `${answer}: ${all?.length ?? 0}`)
      .join(', '),
  )
  assert((answers['posted']?.length ?? 0) > 50)
  await books.assertSound()
})
