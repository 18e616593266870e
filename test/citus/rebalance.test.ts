import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { assertHeardIsTrue, countTransactions } from '../chaos/kit/books.ts'
import { tryPayment } from '../chaos/kit/door.ts'
import { insist } from '../chaos/kit/insist.ts'
import type { Heard } from '../chaos/kit/lies.ts'
import { noCitus } from '../kit/citus/cluster.ts'
import { startWorld, type World } from '../kit/world.ts'
import { type Cluster, openCluster } from './kit.ts'

const PAYERS = 8
const PAUSE_MS = 25

let world: World
let cluster: Cluster
before(async () => {
  if (noCitus !== false) return
  world = await startWorld()
  cluster = await openCluster(world.url)
})
after(async () => {
  if (noCitus !== false) return
  await cluster.close()
  await world.end()
})

async function placedAt(port: number): Promise<number> {
  const [row] = await cluster.ask(
    `select count(*)::int as count from pg_dist_placement join pg_dist_node using (groupid)
     where nodeport = ${port} and noderole = 'primary'`,
  )
  return Number(row?.['count'])
}

test('a worker comes and goes while payments go on', { skip: noCitus }, async (t) => {
  const worker = cluster.workers.at(-1)
  assert(worker)
  const address = `'${worker.host}', ${worker.port}`
  await cluster.ask(`select citus_drain_node(${address}, 'block_writes')`)
  await cluster.ask(`select citus_remove_node(${address})`)
  const people = await Promise.all(Array.from({ length: PAYERS }, () => world.rich(100_000n)))
  const made = await countTransactions(world.pool, people)

  const calm = new AbortController()
  const heard: Heard[] = []
  const paying = people.map(async (from, index) => {
    const to = people[(index + 3) % PAYERS] ?? from
    while (!calm.signal.aborted) {
      const payment = { from, to, cents: 1n, key: randomUUID() }
      const began = performance.now()
      heard.push(await insist(async () => await tryPayment(world.payments, payment, began)))
      // A shard moves when it has caught up with what is written.
      await sleep(PAUSE_MS)
    }
  })
  /** Payments are answered from its begin to its end. */
  const meanwhile = async (what: string, statement: string): Promise<void> => {
    const before = heard.length
    await cluster.ask(statement)
    t.diagnostic(`${heard.length - before} payments while ${what}`)
    assert(heard.length > before, what)
  }
  try {
    await cluster.ask(`select citus_add_node(${address})`)
    await meanwhile('shards move to it', 'select rebalance_table_shards()')
    assert((await placedAt(worker.port)) > 0)
    await world.assertBooks()
    await meanwhile('shards move away', `select citus_drain_node(${address})`)
    assert.equal(await placedAt(worker.port), 0)
    await cluster.ask(`select citus_set_node_property(${address}, 'shouldhaveshards', true)`)
  } finally {
    calm.abort()
    await Promise.all(paying)
  }
  await assertHeardIsTrue(world.pool, heard, made)
  await world.assertBooks()
})
