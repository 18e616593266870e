import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AppError } from '../../src/errors.ts'
import { createHealth } from '../../src/ops/health.ts'

test('ready is who is well in every part', async () => {
  const { readiness } = createHealth({ database: async () => await Promise.resolve(1) })
  assert.deepEqual(await readiness(), { ready: true, checks: { database: 'ok' } })
})

test('what is not well is named, and nothing of what it said', async () => {
  const { readiness } = createHealth({
    database: async () => await Promise.reject(new AppError('database_unavailable', { why: 'x' })),
    migrations: async () => await Promise.reject(new Error('password=hunter2')),
  })
  assert.deepEqual(await readiness(), {
    ready: false,
    checks: { database: 'database_unavailable', migrations: 'failed' },
  })
})

test('a part that never answers does not keep the answer', { timeout: 5_000 }, async () => {
  const { readiness } = createHealth({ database: async () => await new Promise(() => undefined) })
  assert.deepEqual(await readiness(), { ready: false, checks: { database: 'no answer' } })
})

test('who is stopping takes no traffic, however well', async () => {
  const { readiness, stop } = createHealth({ database: async () => await Promise.resolve() })
  stop()
  assert.deepEqual(await readiness(), {
    ready: false,
    checks: { database: 'ok', process: 'stopping' },
  })
})

test('a hundred questions at once are one for the database', async () => {
  let asked = 0
  const { readiness } = createHealth({ database: async () => await Promise.resolve((asked += 1)) })
  await Promise.all(Array.from({ length: 100 }, readiness))
  assert.equal(asked, 1)
})
