import { Client } from 'pg'
import type { AccountId } from '../../src/ledger/account.ts'
import { databaseAt, runAt } from '../kit/citus/cluster.ts'
import { testServer } from '../kit/server.ts'

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
