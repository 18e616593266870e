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

/** One PostgreSQL, set up as `npm start` sets it up, with the books and pgbench's tables in it. */
export type World = Readonly<{
  dir: string
  /** Of the books. */
  url: string
  pool: Pool
  pgbenchUrl: string
  postgresPid: number
  /** Writes out what is dirty, so that no phase pays for the one before. */
  settle: () => Promise<void>
  /** How far the log of all changes has come, in bytes. */
  logBytes: () => Promise<number>
  /** What the tables and indexes of payments take. */
  tableBytes: () => Promise<number>
  postgresVersion: () => Promise<string>
  stop: () => Promise<void>
}>

export async function startWorld(): Promise<World> {
  const dir = join(home, String(process.pid))
  await mkdir(dir, { recursive: true })
  const embedded = await startEmbedded({ dir })
  const admin = open(embedded.superuserUrl)
  const pool = open(embedded.url)
  await admin.query('create database pgbench')
  const migrations = await readMigrations()
  await migrate({ url: embedded.url, migrations, alongside: migrateQueue })
  const pgbenchUrl = new URL(embedded.superuserUrl)
  pgbenchUrl.pathname = 'pgbench'
  return {
    dir,
    url: embedded.url,
    pool,
    pgbenchUrl: pgbenchUrl.href,
    postgresPid: (await embedded.pid()) ?? Number.NaN,
    settle: async () => {
      await admin.query('checkpoint')
    },
    logBytes: async () => await number(admin, `pg_current_wal_insert_lsn() - '0/0'::pg_lsn`),
    tableBytes: async () =>
      await number(
        pool,
        `(select sum(pg_total_relation_size(oid)) from pg_class
          where relname in ('account', 'entry', 'transaction', 'request', 'payee')
            and relkind = 'r')`,
      ),
    postgresVersion: async () => {
      const { rows } = await pool.query<{ version: string }>(
        `select current_setting('server_version') as version`,
      )
      return rows[0]?.version ?? 'unknown'
    },
    stop: async () => {
      await Promise.all([admin.end(), pool.end()])
      await embedded.stop()
      await rm(dir, { recursive: true, force: true })
    },
  }
}

function open(url: string): Pool {
  const statementTimeoutMs = STATEMENT_TIMEOUT_MS
  return openPool({ url, max: 2, statementTimeoutMs, applicationName: 'bench' })
}

async function number(pool: Pool, expression: string): Promise<number> {
  const { rows } = await pool.query<{ value: string }>(`select (${expression})::text as value`)
  return Number(rows[0]?.value)
}
