import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { startEmbedded } from '../../src/db/embedded.ts'
import { guardDatabase } from '../../src/db/guard.ts'
import { openPool } from '../../src/db/pool.ts'
import { freshDatabase } from '../kit/database.ts'
import { startRefused } from '../kit/refused.ts'

test('a server that keeps what it commits is let through', async () => {
  const db = await freshDatabase()
  await guardDatabase(db.pool)
  await db.drop()
})

test('a server that may forget is refused, with every reason and the cure', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'farthing-guard-'))
  const careless = { fsync: 'off', full_page_writes: 'off', synchronous_commit: 'off' }
  const embedded = await startEmbedded({ dir, settings: careless })
  const pool = openPool({
    url: embedded.url,
    max: 2,
    statementTimeoutMs: 2_000,
    applicationName: 'farthing test',
  })
  for (const setting of Object.keys(careless)) {
    await startRefused(guardDatabase(pool), new RegExp(`${setting} is off.*set it to on`))
  }
  await pool.end()
  await embedded.stop()
  await rm(dir, { recursive: true })
})

/** `local` does not wait for a standby, `remote_write` not for its disk. */
for (const value of ['off', 'local', 'remote_write']) {
  test(`a setting that only our role has is seen too: synchronous_commit = ${value}`, async () => {
    const db = await freshDatabase()
    const name = new URL(db.url).pathname.slice(1)
    await db.pool.query(
      `alter role current_user in database ${name} set synchronous_commit = ${value}`,
    )
    const pool = openPool({
      url: db.url,
      max: 2,
      statementTimeoutMs: 2_000,
      applicationName: 'farthing test',
    })
    await startRefused(guardDatabase(pool), new RegExp(`synchronous_commit is ${value}, so that`))
    await assert.doesNotReject(pool.end())
    await db.drop()
  })
}
