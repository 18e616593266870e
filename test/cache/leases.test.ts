import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { createLeases, momentOf } from '../../src/cache/leases.ts'
import type { Epoch } from '../../src/cache/parts.ts'
import { createReader } from '../../src/cache/reader.ts'
import { createRedis } from '../../src/cache/redis.ts'
import { until } from '../kit/until.ts'
import { hearCache } from './kit/hear.ts'
import { redis, startRedis } from './kit/redis.ts'

const versions = async () => await Promise.resolve({ money: 1n, view: 1n })

suite('a lease', { skip: redis.missing ?? false }, () => {
  test('ends by the clock of Redis in a machine that stands still', async () => {
    const server = await startRedis()
    const place = { url: server.url, sentinels: [], sentinelPassword: null, ca: null }
    const { copies, start, stop } = createRedis(place)
    const heard = hearCache()
    try {
      await start()
      const reign = copies.reign() ?? assert.fail('it is not connected')
      const epoch: Epoch = { number: 1n, tag: '1-a', state: 'on', reign, why: '' }
      await copies.plant(epoch)
      const still = { monotonic: () => 0, sleep: async () => await Promise.resolve() }
      const leases = createLeases(still)
      const lost: string[] = []
      const read = createReader({ copies, leases, versions, lost: (tag) => lost.push(tag) })
      const answer = async (): Promise<string> =>
        await read({
          kind: 'user',
          user: 'u',
          load: async () => await Promise.resolve('the database'),
          print: () => 'a copy',
          parse: (text) => text,
        })
      const copyAnswers = async (): Promise<boolean> => {
        leases.take(epoch, await momentOf(still, copies))
        return (await answer()) === 'a copy'
      }

      await until('a copy answers', copyAnswers)
      await until('it is refused', async () => {
        await answer()
        return heard.count('late') > 0
      })
      assert.notEqual(leases.current(), null, 'its own clock has seen the end of it')
      assert.equal(await answer(), 'the database')
      await until('a copy answers again', copyAnswers)
      assert.deepEqual(lost, [])
    } finally {
      heard.stop()
      await stop()
      await server.stop()
    }
  })
})
