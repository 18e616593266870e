import { randomBytes } from 'node:crypto'
import { Client } from 'pg'
import { openPool, type Pool } from '../../src/db/pool.ts'
import { onEachNode, shut } from './citus/cluster.ts'
import { testServer } from './server.ts'

export type FreshDatabase = Readonly<{
  url: string
  /** Closed by `drop`. */
  pool: Pool
  /** Cuts whoever is still connected. */
  drop(): Promise<void>
}>

/** A migrated database of its own, for one test file. Call `drop` in `after`. */
export async function freshDatabase(): Promise<FreshDatabase> {
  const { nodes, template } = testServer()
  return await copyOf(template, nodes)
}

/** A database in which nothing is. */
export async function emptyDatabase(): Promise<FreshDatabase> {
  const { superuserUrl } = testServer()
  return await copyOf('template0', [superuserUrl])
}

/** Runs one statement as the superuser, outside of any test's database. */
export async function asSuperuser(statement: string): Promise<void> {
  const client = new Client({ connectionString: testServer().superuserUrl })
  await client.connect()
  try {
    await client.query(statement)
  } finally {
    await client.end()
  }
}

async function copyOf(template: string, nodes: readonly string[]): Promise<FreshDatabase> {
  const name = `test_${process.pid}_${randomBytes(4).toString('hex')}`
  // A copy of files: a test database is gone after the test, so it need not go through the log.
  // On a cluster the log is quicker: a copy of files waits for two checkpoints of each node.
  const strategy = nodes.length > 1 ? 'wal_log' : 'file_copy'
  const like = `template ${template} strategy ${strategy}`
  await onEachNode(nodes, `create database ${name} owner farthing ${like}`)
  const url = new URL(testServer().url)
  url.pathname = name
  const pool = openPool({
    url: url.href,
    max: 8,
    statementTimeoutMs: 10_000,
    applicationName: 'farthing test',
  })
  return {
    url: url.href,
    pool,
    drop: async () => {
      await pool.end()
      if (nodes.length > 1) await shut(nodes, name)
      await onEachNode(nodes, `drop database ${name} with (force)`)
    },
  }
}
