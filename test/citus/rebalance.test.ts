import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { AppError } from '../../src/errors.ts'
import type { TransactionId } from '../../src/ids/ids.ts'
import type { AccountId } from '../../src/ledger/account.ts'
import { noCitus } from '../kit/citus/cluster.ts'
import { type Books, openBooks, payment, quiet } from '../ledger/books.ts'
import { type Cluster, openCluster } from './kit.ts'

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

/** What a payer may hear while a shard changes its place; whoever hears it asks again. */
const passing: ReadonlySet<string> = new Set([
  'database_unavailable',
  'outcome_unknown',
  'overloaded',
])

/** Payments in rings, one after the other for each payer, until they are told to stop. */
function startPayers(ids: readonly AccountId[], calm: AbortSignal) {
  const heard = new Map<TransactionId, string>()
  const ledger = books.ledger({ passengers: quiet })
  const paying = ids.map(async (from, index) => {
    const to = ids[(index + 7) % ids.length] ?? from
    while (!calm.aborted) {
      const ride = payment(from, to, 1n)
      const answer = await ledger.post(ride).then(({ outcome }) => outcome, codeOf)
      heard.set(ride.movement.transaction, answer)
    }
  })
  return { heard, done: Promise.all(paying) }
}

function codeOf(error: unknown): string {
  if (error instanceof AppError && passing.has(error.code)) return error.code
  throw error
}

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
  const ids = await books.accounts(16, 100_000n)
  const calm = new AbortController()
  const { heard, done } = startPayers(ids, calm.signal)
  try {
    await cluster.ask(`select citus_add_node(${address})`)
    await cluster.ask('select rebalance_table_shards()')
    assert((await placedAt(worker.port)) > 0, 'shards have moved to it')
    await books.assertSound()
    await cluster.ask(`select citus_drain_node(${address})`)
    assert.equal(await placedAt(worker.port), 0, 'shards have moved away')
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
