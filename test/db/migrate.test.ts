import assert from 'node:assert/strict'
import { mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { migrate, readMigrations } from '../../src/db/migrate.ts'
import { openPool } from '../../src/db/pool.ts'
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

test('a migration waits two seconds for a table, and then not longer', async () => {
  await apply({ '0001-one.sql': first })
  const reader = await db.pool.lend()
  await reader.query('begin; lock table one in access share mode')
  const alter = '--! additive\nalter table one add column name text;\n'
  const started = performance.now()
  const files = { '0001-one.sql': first, '0002-alter.sql': alter }
  await startRefused(apply(files), /0002-alter.sql waited too long for a table/)
  assert(performance.now() - started < 5_000)
  await reader.query('rollback')
  reader.giveBack()
  assert.deepEqual(await apply(files), ['0002-alter.sql'])
})

test('a migration that sets its own lock timeout decides for no other', async () => {
  const timeout = `insert into told values (current_setting('lock_timeout'));\n`
  await apply({
    '0001-table.sql': `--! additive\ncreate table told (timeout text);\n${timeout}`,
    '0002-own.sql': `--! additive\nset lock_timeout = '7s';\n${timeout}`,
    '0003-next.sql': `--! additive\n${timeout}`,
  })
  const { rows } = await db.pool.query<{ timeout: string }>('select timeout from told')
  assert.deepEqual(
    rows.map(({ timeout }) => timeout),
    ['2s', '7s', '2s'],
  )
})

test('a breaking migration is refused while servers are connected, by their names', async () => {
  const start = { '0001-one.sql': first.replace('additive', 'breaking') }
  const files = { ...start, '0002-drop.sql': '--! breaking\ndrop table one;\n' }
  const server = openPool({
    url: db.url,
    max: 1,
    statementTimeoutMs: 2_000,
    applicationName: 'farthing queue',
  })
  await server.query('select 1')
  assert.deepEqual(await apply(start), ['0001-one.sql'], 'an empty database has no last version')
  await startRefused(apply(files), /0002-drop.sql is breaking.*farthing queue.*Stop them all/)
  assert.deepEqual(await apply({ ...start, '0002-two.sql': second }), ['0002-two.sql'])
  await server.end()
})

test('the database keeps the kind of each migration', async () => {
  await apply({ '0001-one.sql': first, '0002-drop.sql': '--! breaking\ndrop table one;\n' })
  const { rows } = await db.pool.query('select name, kind from migration order by number')
  assert.deepEqual(rows, [
    { name: '0001-one.sql', kind: 'additive' },
    { name: '0002-drop.sql', kind: 'breaking' },
  ])
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
