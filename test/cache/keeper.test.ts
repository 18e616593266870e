import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { openServerCache } from '../../src/cache/cache.ts'
import { enter } from '../../src/cache/store.ts'
import { openPool } from '../../src/db/pool.ts'
import { inTransaction } from '../../src/db/tx.ts'
import { freshDatabase } from '../kit/database.ts'
import { until } from '../kit/until.ts'
import { redis, startRedis } from './kit/redis.ts'

const OFF_MS = 200
const HELD_MS = 4_000

suite('a keeper that opens epochs', { skip: redis.missing ?? false }, () => {
  test('a try that fails is followed by rests that double, and in the end it opens', async () => {
    const server = await startRedis()
    const database = await freshDatabase()
    const place = { url: server.url, sentinels: [], sentinelPassword: null, ca: null }
    const { url } = database
    const pool = openPool({ url, max: 2, statementTimeoutMs: 10_000, applicationName: 'keeper' })
    const pace = { offMinMs: OFF_MS, offMaxMs: 60_000 }
    const cache = openServerCache({ url, redis: place, pace }, pool)
    /** Each try plants a canary of its own. */
    const tries = async (): Promise<number> =>
      ((await server.ask('KEYS', 'farthing:*:canary')) as unknown[]).length
    await inTransaction(
      pool,
      async (tx) => {
        await enter(tx)
        const began = performance.now()
        await cache.start()
        await until('it has rested', () => performance.now() - began >= HELD_MS)
        await until('it has tried again', async () => (await tries()) >= 2)
        const seen = await tries()
        const most = 1 + Math.floor(Math.log2((performance.now() - began) / OFF_MS + 1))
        assert(seen <= most, `${seen} tries while a writer was under way, at most ${most}`)
      },
      { lockTimeoutMs: 1_000 },
    )
    await until('it is on', async () => {
      const { rows } = await pool.query<{ state: string }>('select state from cache_epoch')
      return rows[0]?.state === 'on'
    })
    await cache.stop()
    await pool.end()
    await database.drop()
    await server.stop()
  })
})
