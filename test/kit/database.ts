import { randomBytes } from 'node:crypto'
import { Client } from 'pg'
import { openPool, type Pool } from '../../src/db/pool.ts'
import { TEMPLATE, testServer } from './server.ts'

export type FreshDatabase = Readonly<{
  url: string
  /** Closed by `drop`. */
  pool: Pool
  /** Cuts whoever is still connected. */
  drop(): Promise<void>
}>

/** A migrated database of its own, for one test file. Call `drop` in `after`. */
export async function freshDatabase(): Promise<FreshDatabase> {
  return await copyOf(TEMPLATE)
}

/** A database in which nothing is. */
export async function emptyDatabase(): Promise<FreshDatabase> {
  return await copyOf('template0')
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

async function copyOf(template: string): Promise<FreshDatabase> {
  const name = `test_${process.pid}_${randomBytes(4).toString('hex')}`
  // A copy of files: a test database is gone after the test, so it need not go through the log.
  await asSuperuser(
    `create database ${name} owner farthing template ${template} strategy file_copy`,
  )
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
      await asSuperuser(`drop database ${name} with (force)`)
    },
  }
}
