import assert from 'node:assert/strict'
import { after, before } from 'node:test'
import { Client } from 'pg'
import { finishCommits } from '../../src/db/citus/recovery.ts'
import { areFinished } from '../../src/db/citus/shown.ts'
import type { Pool } from '../../src/db/pool.ts'
import { AppError } from '../../src/errors.ts'
import type { TransactionId } from '../../src/ids/ids.ts'
import type { AccountId } from '../../src/ledger/account.ts'
import { type Proxy, startProxy } from '../chaos/kit/proxy.ts'
import { databaseAt, noCitus, runAt } from '../kit/citus/cluster.ts'
import { testServer } from '../kit/server.ts'
import { until } from '../kit/until.ts'
import { type Books, openBooks, payment, quiet } from '../ledger/books.ts'

/** A database of the cluster under test, as its superuser. */
export type Cluster = Readonly<{
  workers: readonly Readonly<{ id: number; host: string; port: number }>[]
  ask: (statement: string) => Promise<readonly Record<string, unknown>[]>
  /** The same at one of the workers, by its place in the list. */
  askWorker: (place: number, statement: string) => Promise<readonly Record<string, unknown>[]>
  /** One account on each worker. */
  oneOnEach: (ids: readonly AccountId[]) => Promise<readonly AccountId[]>
  close: () => Promise<void>
}>

export async function openCluster(databaseUrl: string): Promise<Cluster> {
  const name = new URL(databaseUrl).pathname.slice(1)
  const { nodes } = testServer()
  const client = new Client({ connectionString: databaseAt(nodes[0] ?? '', name) })
  await client.connect()
  const ask = async (statement: string) =>
    (await client.query<Record<string, unknown>>(statement)).rows
  const found = await ask(
    `select nodeid as id, nodename as host, nodeport as port from pg_dist_node
     where noderole = 'primary' order by nodeid`,
  )
  const workers = found.map(({ id, host, port }) => ({
    id: Number(id),
    host: String(host),
    port: Number(port),
  }))
  return {
    workers,
    ask,
    askWorker: async (place, statement) =>
      await runAt(databaseAt(nodes[place + 1] ?? '', name), statement),
    oneOnEach: async (ids) => {
      const rows = await ask(
        `select distinct on (n.nodeid) n.nodeid as node, id
         from unnest(array['${ids.join(`','`)}']::uuid[]) as id
         join pg_dist_placement p
           on p.shardid = get_shard_id_for_distribution_column('account', id)
         join pg_dist_node n using (groupid) order by n.nodeid, id`,
      )
      return rows.map(({ id }) => String(id) as AccountId)
    },
    close: async () => await client.end(),
  }
}

const LOOK_MS = 1_000

/** What begins the second phase of a commit, on a worker. */
export const SECOND_PHASE = /^COMMIT PREPARED/i

/** Puts a proxy between the coordinator and its second worker. */
export async function proxySecond({ ask, workers }: Cluster): Promise<Proxy> {
  const [, worker] = workers
  assert(worker, 'a cluster for tests has two workers')
  const proxy = await startProxy(`postgresql://${worker.host}:${worker.port}/`)
  const port = new URL(proxy.url).port
  await ask(`select citus_update_node(${worker.id}, '127.0.0.1', ${port})`)
  return proxy
}

/** Finishes what is left between its phases, unless Citus itself comes first. */
export async function finishAll(db: Pool, withinMs?: number): Promise<void> {
  await until(
    'no commit is left',
    async () => {
      await finishCommits(db)
      return await areFinished(db, LOOK_MS)
    },
    withinMs,
  )
}

/** Books on the cluster while the tests of a file run; none where there is no cluster. */
export function useBooks(): () => Readonly<{ books: Books; cluster: Cluster }> {
  let opened: Readonly<{ books: Books; cluster: Cluster }> | null = null
  before(async () => {
    if (noCitus !== false) return
    const books = await openBooks()
    opened = { books, cluster: await openCluster(books.url) }
  })
  after(async () => {
    await opened?.cluster.close()
    await opened?.books.close()
  })
  return () => {
    if (!opened) throw new Error('there is no cluster')
    return opened
  }
}

/** What a payer may hear while a shard changes its place; whoever hears it asks again. */
const passing: ReadonlySet<string> = new Set([
  'database_unavailable',
  'outcome_unknown',
  'overloaded',
])

/** Of each pair the first pays the second, again and again, until they are told to stop. */
export function startPayers(
  books: Books,
  pairs: readonly (readonly [from: AccountId, to: AccountId])[],
  calm: AbortSignal,
): Readonly<{ heard: ReadonlyMap<TransactionId, string>; done: Promise<unknown> }> {
  const heard = new Map<TransactionId, string>()
  const ledger = books.ledger({ passengers: quiet })
  const paying = pairs.map(async ([from, to]) => {
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
