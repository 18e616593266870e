import assert from 'node:assert/strict'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { after, before, suite, test } from 'node:test'
import { createFence } from '../../src/cache/fence.ts'
import { createEndings } from '../../src/cache/leases.ts'
import type { Copies, Epoch } from '../../src/cache/parts.ts'
import { createRedis } from '../../src/cache/redis.ts'
import type { Redis } from '../../src/cache/redis.ts'
import { FenceDown } from '../../src/db/fence.ts'
import { redis, startRedis } from './kit/redis.ts'
import type { TestRedis } from './kit/redis.ts'

const changes = [{ user: 'u', money: 1n, view: null }]
const never = async (): Promise<never> => await Promise.reject(new Error('nobody recovers here'))
const endings = createEndings({ monotonic: () => 0, sleep: never })

/** Raises, times over, and tells what was told of each and to whoever writes. */
async function told(copies: Copies | null, at: Epoch, times = 1): Promise<readonly string[]> {
  const heard: string[] = []
  const hear = (event: unknown): void => {
    const { outcome, why = '' } = event as { outcome: string; why?: string }
    heard.push(`${outcome} ${why}`.trim())
  }
  const table = { read: never, close: never, settle: never, open: never }
  const enter = async (): Promise<Epoch> => await Promise.resolve(at)
  const fence = createFence({ enter, table, copies, endings, counted: () => undefined })
  subscribe('farthing:cache.fence', hear)
  for (let time = 0; time < times; time++) {
    const raise = await fence.enter({ query: never })
    await raise(changes).catch((error: unknown) => {
      assert(error instanceof FenceDown)
      assert.equal(`failed ${error.message}`, heard[0])
    })
  }
  unsubscribe('farthing:cache.fence', hear)
  return heard
}

suite('a fence that fails says why', { skip: redis.missing ?? false }, () => {
  let server: TestRedis
  let client: Redis
  let epoch: Epoch
  before(async () => {
    server = await startRedis()
    client = createRedis({ url: server.url, sentinels: [], sentinelPassword: null, ca: null })
    await client.start()
    const reign = client.copies.reign() ?? assert.fail('it is not connected')
    epoch = { number: 1n, tag: '1-a', state: 'on', reign, why: '' }
    await client.copies.plant(epoch)
  })
  after(async () => {
    await client.stop()
    await server.stop()
  })

  test('none is told of where all is well', async () => {
    assert.deepEqual(await told(client.copies, epoch), ['raised'])
  })

  test('a process without Redis', async () => {
    assert.deepEqual(await told(null, epoch), ['failed a process without Redis wrote'])
  })

  test('a Redis that is another one', async () => {
    const why = 'failed Redis is another one, or began anew'
    assert.deepEqual(await told(client.copies, { ...epoch, reign: 'a/b' }), [why])
  })

  test('keys that were lost: once, for all who write behind that', async () => {
    const why = 'failed its keys in Redis were lost'
    assert.deepEqual(await told(client.copies, { ...epoch, tag: '2-b' }, 2), [why])
  })

  test('a Redis that does not answer', async () => {
    server.pause()
    const why = 'failed Redis did not acknowledge a fence'
    assert.deepEqual(await told(client.copies, epoch), [why])
    server.resume()
  })

  test('no connection', async () => {
    await client.stop()
    const why = 'failed a process had no connection to Redis'
    assert.deepEqual(await told(client.copies, epoch), [why])
  })
})
