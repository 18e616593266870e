import { Client } from 'pg'
import { migrate, readMigrations } from '../../../src/db/migrate.ts'
import { migrateQueue } from '../../../src/queue/schema.ts'

/** A Citus cluster to test on: any database of its coordinator, as a superuser. */
export const CITUS_VARIABLE = 'CITUS_URL'

export const noCitus = process.env[CITUS_VARIABLE]
  ? false
  : `${CITUS_VARIABLE} names no Citus cluster: see docs/citus.md`

/** Few, so that each database is soon made. */
const SHARDS = 4

export function databaseAt(url: string, name: string): string {
  const at = new URL(url)
  at.pathname = name
  return at.href
}

export async function runAt(
  url: string,
  ...statements: readonly string[]
): Promise<readonly Record<string, unknown>[]> {
  const client = new Client({ connectionString: url })
  await client.connect()
  try {
    let rows: Record<string, unknown>[] = []
    for (const statement of statements) rows = (await client.query(statement)).rows
    return rows
  } finally {
    await client.end()
  }
}

/** The superuser's addresses of all nodes, the coordinator's first. */
export async function nodesOf(citusUrl: string): Promise<readonly string[]> {
  const rows = await runAt(
    citusUrl,
    `select nodename as host, nodeport as port from pg_dist_node
     where noderole = 'primary' and isactive and shouldhaveshards order by nodeid`,
  )
  const workers = rows.map(({ host, port }) => {
    const url = new URL(databaseAt(citusUrl, 'postgres'))
    url.hostname = String(host)
    url.port = String(port)
    return url.href
  })
  return [databaseAt(citusUrl, 'postgres'), ...workers]
}

export async function onEachNode(nodes: readonly string[], statement: string): Promise<void> {
  await Promise.all(nodes.map(async (node) => await runAt(node, statement)))
}

/** The role that the service has, on every node. */
export async function ensureRole(nodes: readonly string[]): Promise<void> {
  for (const node of nodes) {
    const [found] = await runAt(node, `select 1 from pg_roles where rolname = 'farthing'`)
    if (found) continue
    const password = new URL(node).password
    const secret = password === '' ? '' : ` password '${password}'`
    await runAt(
      node,
      'set citus.enable_create_role_propagation = off',
      `create role farthing login${secret}`,
    )
  }
}

/** A database with the extension and its workers, and nothing in it. */
export async function makeCluster(nodes: readonly string[], name: string): Promise<void> {
  await onEachNode(nodes, `create database ${name} owner farthing`)
  await onEachNode(
    nodes.map((node) => databaseAt(node, name)),
    'create extension citus',
  )
  const [coordinator = '', ...workers] = nodes
  for (const worker of workers) {
    const { hostname, port } = new URL(worker)
    await runAt(databaseAt(coordinator, name), `select citus_add_node('${hostname}', ${port})`)
  }
  await runAt(coordinator, `alter database ${name} set citus.shard_count = ${SHARDS}`)
  // The role recovers what a crash leaves between the two phases of a commit.
  const grant = 'grant execute on function recover_prepared_transactions() to farthing'
  await runAt(databaseAt(coordinator, name), grant)
}

/** A migrated cluster to copy from: nobody may connect to it, Citus's own processes neither. */
export async function makeTemplate(nodes: readonly string[], name: string): Promise<void> {
  await makeCluster(nodes, name)
  const url = new URL(databaseAt(nodes[0] ?? '', name))
  url.username = 'farthing'
  await migrate({ url: url.href, migrations: await readMigrations(), alongside: migrateQueue })
  await shut(nodes, name)
}

/** Ends who is connected to a database, and lets nobody in: Citus's own processes come again. */
export async function shut(nodes: readonly string[], name: string): Promise<void> {
  await onEachNode(nodes, `alter database ${name} allow_connections false`)
  const end = `select pg_terminate_backend(pid, 5000) from pg_stat_activity
    where datname = '${name}'`
  await onEachNode(nodes, end)
}
