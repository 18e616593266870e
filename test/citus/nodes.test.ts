import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { guardDatabase, requireDurable } from '../../src/db/guard.ts'
import { migrate, readMigrations } from '../../src/db/migrate.ts'
import { requireMigrated } from '../../src/db/migrated.ts'
import { openPool, type Pool } from '../../src/db/pool.ts'
import { AppError } from '../../src/errors.ts'
import { migrateQueue } from '../../src/queue/schema.ts'
import { noCitus } from '../kit/citus/cluster.ts'
import { type FreshDatabase, freshDatabase } from '../kit/database.ts'
import { startRefused } from '../kit/refused.ts'
import { type Cluster, openCluster } from './kit.ts'

const here = { skip: noCitus }

let database: FreshDatabase
let cluster: Cluster
let name: string

before(async () => {
  if (noCitus !== false) return
  database = await freshDatabase()
  cluster = await openCluster(database.url)
  name = new URL(database.url).pathname.slice(1)
})
after(async () => {
  if (noCitus !== false) return
  await cluster.close()
  await database.drop()
})

/** Under a name that is no server's, unless it is said: the database's own pool is not used. */
function another(applicationName = 'test'): Pool {
  return openPool({ url: database.url, max: 1, statementTimeoutMs: 5_000, applicationName })
}

/** What the second worker does for the service's role. */
async function commitSynchronously(to: 'on' | 'off'): Promise<void> {
  await cluster.askWorker(
    1,
    `set citus.enable_alter_role_set_propagation = off;
     alter role farthing in database ${name} set synchronous_commit = ${to}`,
  )
}

test('a cluster whose nodes keep what they commit is let through', here, async () => {
  const pool = another()
  await guardDatabase(pool)
  await requireMigrated(pool)
  await pool.end()
})

test('a worker that may forget is refused, at the start and for each batch', here, async () => {
  await commitSynchronously('off')
  const pool = another()
  try {
    const port = String(cluster.workers[1]?.port)
    await startRefused(guardDatabase(pool), new RegExp(`:${port}, synchronous_commit is off`))
    const lent = await pool.lend()
    await assert.rejects(requireDurable(lent), (error) => {
      return error instanceof AppError && error.code === 'database_unavailable'
    })
    lent.giveBack()
  } finally {
    await pool.end()
    await commitSynchronously('on')
  }
})

test('a table that is not spread keeps servers from starting, until it is', here, async () => {
  await cluster.ask(`select undistribute_table('payee')`)
  await cluster.ask('insert into payee values (gen_random_uuid(), gen_random_uuid())')
  const pool = another('farthing server')
  const options = {
    url: database.url,
    migrations: await readMigrations(),
    alongside: migrateQueue,
  }
  try {
    await startRefused(requireMigrated(pool), /not spread over them: payee/)
    // Its rows would move away under a server that is connected.
    await startRefused(migrate(options), /payee must move to them, while servers/)
  } finally {
    await pool.end()
  }
  assert.deepEqual(await migrate(options), [`payee over Citus's workers`])
  assert.deepEqual(await migrate(options), [])
  const later = another()
  await requireMigrated(later)
  await later.end()
  const [row] = await cluster.ask('select count(*)::int as count from payee')
  assert.equal(row?.['count'], 1)
})
