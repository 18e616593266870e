import assert from 'node:assert/strict'
import { after as afterAll, before, test } from 'node:test'
import { ERASED_AT_ONCE, eraseAllExpired, eraseExpired } from '../../../src/auth/guard/erase.ts'
import { after, DAY, HOUR, printTime } from '../../../src/time.ts'
import type { Micros } from '../../../src/time.ts'
import { freshDatabase } from '../../kit/database.ts'
import type { FreshDatabase } from '../../kit/database.ts'
import { onCitus } from '../../kit/server.ts'

const now = 1_790_000_000_000_000n as Micros
const tables = ['auth_ticket', 'meter', 'revocation', 'oidc_payload', 'factor_reset'] as const
let database: FreshDatabase

before(async () => {
  database = await freshDatabase()
})
afterAll(async () => {
  await database.drop()
})

const random = `sha256(gen_random_uuid()::text::bytea)`
const inserts = {
  auth_ticket: `insert into auth_ticket (digest, purpose, expires_at) select ${random}, 'x', $1`,
  meter: `insert into meter (name, count, most, expires_at) select ${random}, 1, 1, $1`,
  revocation: `insert into revocation (revocation_id, subject, before, revoked_at, expires_at)
    select gen_random_uuid(), gen_random_uuid(), $1, $1, $1`,
  oidc_payload: `insert into oidc_payload (kind, id, payload, expires_at)
    select 'x', gen_random_uuid(), '{}', $1::timestamptz`,
  factor_reset: `insert into factor_reset (user_id, digest, asked_at, ready_at)
    select gen_random_uuid(), ${random}, $1, $1`,
} as const

async function insert(table: (typeof tables)[number], endsAt: Micros, rows: number) {
  await database.pool.query(`${inserts[table]} from generate_series(1, $2::int)`, [
    printTime(endsAt),
    rows,
  ])
}

async function left(): Promise<readonly number[]> {
  const counts = tables.map(async (table) => {
    const { rows } = await database.pool.query<{ count: bigint }>(`select count(*) from ${table}`)
    return Number(rows[0]?.count)
  })
  return await Promise.all(counts)
}

test('what ended an hour ago is erased, a thousand rows at once, and nothing else', async () => {
  for (const table of tables) {
    const kept = table === 'factor_reset' ? after(now, -7n * DAY) : now
    await insert(table, after(kept, -HOUR - 1n), 2_500)
    await insert(table, after(kept, -HOUR), 3)
  }
  await database.pool.query(`insert into oidc_payload (kind, id, payload) values ('x', 'y', '{}')`)
  assert.equal(await eraseExpired(database.pool, now), ERASED_AT_ONCE)
  assert.deepEqual(await left(), [1_503, 1_503, 1_503, 1_504, 1_503])
  await eraseAllExpired(database.pool, now)
  assert.deepEqual(await left(), [3, 3, 3, 4, 3])
  assert.equal(await eraseExpired(database.pool, now), 0)
})

const passesOver = { skip: onCitus() && 'Citus cannot pass over a locked row: it waits' }

test(
  'a row that somebody holds is left to the next run, and nobody waits',
  passesOver,
  async () => {
    await database.pool.query('delete from meter')
    await insert('meter', after(now, -DAY), 2)
    const lent = await database.pool.lend()
    try {
      await lent.query('begin')
      await lent.query('select from meter order by name limit 1 for update')
      await eraseAllExpired(database.pool, now)
      assert.equal((await left())[1], 1)
      await lent.query('rollback')
    } finally {
      lent.giveBack()
    }
    await eraseAllExpired(database.pool, now)
    assert.equal((await left())[1], 0)
  },
)
