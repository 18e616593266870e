import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { connectLedger, openPool } from '../../src/db/pool.ts'
import { AppError } from '../../src/errors.ts'
import { type FreshDatabase, freshDatabase } from '../kit/database.ts'

let db: FreshDatabase
before(async () => {
  db = await freshDatabase()
})
after(async () => await db.drop())

/** The database of this file, behind these hosts. */
const behind = (hosts: string): string => db.url.replace(/@[^:/]+/, `@${hosts}`)

const options = (url: string) => ({
  url,
  max: 1,
  statementTimeoutMs: 1_000,
  lockTimeoutMs: 1_000,
  applicationName: 'test hosts',
})

test('of several hosts, the first that takes a connection is the database', async () => {
  for (const hosts of [
    '127.0.0.1,127.0.0.99',
    '127.0.0.99,127.0.0.1',
    'no.host.invalid,127.0.0.1',
  ]) {
    const pool = openPool(options(behind(hosts)))
    const { rows } = await pool.query<{ one: number }>('select 1 as one')
    assert.deepEqual(rows, [{ one: 1 }], hosts)
    await pool.end()
  }
})

test('batches are posted on whichever host is there', async () => {
  const connection = await connectLedger(options(behind('127.0.0.99,127.0.0.1')))
  const { rows } = await connection.query<{ one: number }>('select 1 as one')
  assert.deepEqual(rows, [{ one: 1 }])
  await connection.close()
})

test('with none of them there, the database is away', async () => {
  for (const hosts of ['127.0.0.98,127.0.0.99', 'no.host.invalid,neither.invalid']) {
    const pool = openPool(options(behind(hosts)))
    await assert.rejects(
      pool.query('select 1'),
      (error) => error instanceof AppError && error.code === 'database_unavailable',
    )
    await pool.end()
  }
})
