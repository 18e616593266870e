import assert from 'node:assert/strict'
import { mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { migrate, readMigrations } from '../../src/db/migrate.ts'
import { migrateQueue } from '../../src/queue/schema.ts'
import { emptyDatabase, type FreshDatabase } from '../kit/database.ts'
import { startRefused } from '../kit/refused.ts'

let db: FreshDatabase
beforeEach(async () => {
  db = await emptyDatabase()
})
afterEach(async () => await db.drop())

const nothingElse = async (): Promise<void> => undefined

async function folder(files: Readonly<Record<string, string>>): Promise<URL> {
  const dir = await mkdtemp(join(tmpdir(), 'farthing-migrations-'))
  for (const [name, text] of Object.entries(files)) await writeFile(join(dir, name), text)
  return pathToFileURL(`${dir}/`)
}

async function apply(files: Readonly<Record<string, string>>) {
  const migrations = await readMigrations(await folder(files))
  return await migrate({ url: db.url, migrations, alongside: nothingElse })
}

const first = '--! additive\ncreate table one (id int);\n'
const second = '--! additive\ncreate table two (id int);\n'

test('twenty starters at once migrate once', { timeout: 60_000 }, async () => {
  const migrations = await readMigrations()
  const starters = Array.from(
    { length: 20 },
    async () => await migrate({ url: db.url, migrations, alongside: migrateQueue }),
  )
  const applied = (await Promise.all(starters)).filter((names) => names.length > 0)
  assert.deepEqual(applied, [migrations.map(({ name }) => name)])
  const { rows } = await db.pool.query<{ n: bigint }>('select count(*) as n from migration')
  assert.equal(rows[0]?.n, BigInt(migrations.length))
  const jobs = await db.pool.query('select from graphile_worker.jobs')
  assert.equal(jobs.rowCount, 0)
})

test('only what is missing is applied, in order', async () => {
  assert.deepEqual(await apply({ '0001-one.sql': first }), ['0001-one.sql'])
  assert.deepEqual(await apply({ '0001-one.sql': first, '0002-two.sql': second }), ['0002-two.sql'])
  assert.deepEqual(await apply({ '0001-one.sql': first, '0002-two.sql': second }), [])
})

test('a migration that fails leaves nothing, and the ones before it stay', async () => {
  const broken = '--! additive\ncreate table two (id int);\nselect 1 / 0;\n'
  await assert.rejects(apply({ '0001-one.sql': first, '0002-two.sql': broken }), /0002-two.sql/)
  const { rows } = await db.pool.query(`select to_regclass('one')::text as one,
    to_regclass('two')::text as two, (select count(*)::int from migration) as applied`)
  assert.deepEqual(rows, [{ one: 'one', two: null, applied: 1 }])
})

test('a file that was changed after it was applied is refused by name', async () => {
  await apply({ '0001-one.sql': first })
  await startRefused(apply({ '0001-one.sql': second }), /0001-one.sql was changed/)
})

test('other line ends do not change a migration', async () => {
  await apply({ '0001-one.sql': first })
  assert.deepEqual(await apply({ '0001-one.sql': first.replaceAll('\n', '\r\n') }), [])
})

test('a database newer than the code is refused', async () => {
  await apply({ '0001-one.sql': first, '0002-two.sql': second })
  await startRefused(apply({ '0001-one.sql': first }), /newer than this code.*0002-two.sql/)
})

test('a gap in the numbers, and a file that does not say its kind, are refused', async () => {
  await assert.rejects(apply({ '0001-one.sql': first, '0003-two.sql': second }), /0003-two.sql/)
  await assert.rejects(apply({ '0001-one.sql': 'create table one (id int);\n' }), /first line/)
})
