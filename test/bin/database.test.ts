import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { requireMigrated } from '../../src/db/migrated.ts'
import { emptyDatabase, type FreshDatabase, freshDatabase } from '../kit/database.ts'
import { startRefused } from '../kit/refused.ts'

let database: FreshDatabase
before(async () => {
  database = await freshDatabase()
})
after(async () => await database.drop())

async function migrationFromLater(number: number, kind: string): Promise<void> {
  await database.pool.query(
    `insert into migration (number, name, kind, sha256) values ($1, $2, $3, '')`,
    [number, `${number}-later.sql`, kind],
  )
}

test('a server starts on its own database, and beside additive migrations of later code', async () => {
  await requireMigrated(database.pool)
  await migrationFromLater(9001, 'additive')
  await assert.doesNotReject(requireMigrated(database.pool))
})

test('a server does not start after a breaking migration of later code', async () => {
  await migrationFromLater(9002, 'breaking')
  await startRefused(requireMigrated(database.pool), /newer .* 9002-later\.sql/)
})

test('a server does not start on a database that lacks migrations', async () => {
  const empty = await emptyDatabase()
  await startRefused(requireMigrated(empty.pool), /run `farthing migrate` first/)
  await empty.drop()
})
