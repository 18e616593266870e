import { randomInt } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client } from 'pg'
import { type Embedded, startEmbedded } from '../../src/db/embedded.ts'
import { migrate, readMigrations } from '../../src/db/migrate.ts'
import { migrateQueue } from '../../src/queue/schema.ts'
import { PORTS } from './port.ts'
import { SERVER_VARIABLE, TEMPLATE } from './server.ts'

/** One PostgreSQL for the whole run, and in it a migrated database to copy from. */
let server: { dir: string; embedded: Embedded } | null = null

export async function globalSetup(): Promise<void> {
  const dir = await mkdtemp(join(tmpdir(), 'farthing-test-'))
  const embedded = await startEmbedded({ dir, settings: { max_connections: '200' } })
  server = { dir, embedded }
  const admin = new Client({ connectionString: embedded.superuserUrl })
  await admin.connect()
  await admin.query(`create database ${TEMPLATE} owner farthing`)
  // Each run begins elsewhere: there may be another one on this machine.
  const { first, last, sequence } = PORTS
  await admin.query(`create sequence ${sequence} minvalue ${first} maxvalue ${last} cycle`)
  await admin.query(`select setval($1, $2)`, [sequence, randomInt(first, last)])
  await admin.end()
  const url = new URL(embedded.url)
  url.pathname = TEMPLATE
  const migrations = await readMigrations()
  await migrate({ url: url.href, migrations, alongside: migrateQueue })
  process.env[SERVER_VARIABLE] = JSON.stringify({
    url: embedded.url,
    superuserUrl: embedded.superuserUrl,
  })
}

export async function globalTeardown(): Promise<void> {
  if (!server) return
  await server.embedded.stop()
  await rm(server.dir, { recursive: true, force: true })
}
