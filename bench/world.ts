import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { startEmbedded } from '../src/db/embedded.ts'
import { migrate, readMigrations } from '../src/db/migrate.ts'
import { openPool } from '../src/db/pool.ts'
import type { Pool } from '../src/db/pool.ts'
import { migrateQueue } from '../src/queue/schema.ts'

/** The audit reads all of the books in one statement after the other. */
const STATEMENT_TIMEOUT_MS = 300_000
/** On the disk of the checkout: a /tmp in memory would make every flush free. */
const home = fileURLToPath(new URL('../.farthing/bench', import.meta.url))

/** Books in a database of their own. */
export type Books = Readonly<{ url: string; pool: Pool }>

/** One PostgreSQL, set up as `npm start` sets it up, with three databases. */
export type World = Readonly<{
  dir: string
  /** What the server works on. */
  house: Books
  /** What the ledger alone works on: its payments have no transaction that people could see. */
  bare: Books
  pgbenchUrl: string
  postgresPid: number
  /** Writes out what is dirty, so that no phase pays for the one before. */
  settle: () => Promise<void>
  /** How far the log of all changes has come, in bytes. */
  logBytes: () => Promise<number>
  /** What the tables and indexes of payments take, in both books. */
  tableBytes: () => Promise<number>
  postgresVersion: () => Promise<string>
  stop: () => Promise<void>
}>

export async function startWorld(): Promise<World> {
  const dir = join(home, String(process.pid))
  await mkdir(dir, { recursive: true })
  const embedded = await startEmbedded({ dir })
  const admin = open(embedded.superuserUrl)
  await admin.query('create database pgbench')
  await admin.query('create database bare owner farthing')
  const house = await prepareBooks(embedded.url)
  const bare = await prepareBooks(databaseAt(embedded.url, 'bare'))
  return {
    dir,
    house,
    bare,
    pgbenchUrl: databaseAt(embedded.superuserUrl, 'pgbench'),
    postgresPid: (await embedded.pid()) ?? Number.NaN,
    settle: async () => {
      await admin.query('checkpoint')
    },
    logBytes: async () => await number(admin, `pg_current_wal_insert_lsn() - '0/0'::pg_lsn`),
    tableBytes: async () => {
      const each = [house, bare].map(async ({ pool }) => await number(pool, tableBytes))
      return (await Promise.all(each)).reduce((sum, bytes) => sum + bytes)
    },
    postgresVersion: async () => {
      const { rows } = await admin.query<{ version: string }>(
        `select current_setting('server_version') as version`,
      )
      return rows[0]?.version ?? 'unknown'
    },
    stop: async () => {
      await Promise.all([admin, house.pool, bare.pool].map(async (pool) => await pool.end()))
      await embedded.stop()
      await rm(dir, { recursive: true, force: true })
    },
  }
}

const tableBytes = `
  select sum(pg_total_relation_size(oid)) from pg_class
  where relname in ('account', 'entry', 'transaction', 'request', 'payee') and relkind = 'r'`

async function prepareBooks(url: string): Promise<Books> {
  await migrate({ url, migrations: await readMigrations(), alongside: migrateQueue })
  return { url, pool: open(url) }
}

function databaseAt(server: string, name: string): string {
  const url = new URL(server)
  url.pathname = name
  return url.href
}

function open(url: string): Pool {
  const statementTimeoutMs = STATEMENT_TIMEOUT_MS
  return openPool({ url, max: 2, statementTimeoutMs, applicationName: 'bench' })
}

async function number(pool: Pool, expression: string): Promise<number> {
  const { rows } = await pool.query<{ value: string }>(`select (${expression})::text as value`)
  return Number(rows[0]?.value)
}
