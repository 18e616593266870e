import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { connectRedis } from '../../src/cache/connection.ts'
import type { Connection } from '../../src/cache/connection.ts'
import type { Copies, Place } from '../../src/cache/parts.ts'
import { createRedis } from '../../src/cache/redis.ts'
import { createRandom, seedOf } from '../chaos/kit/random.ts'
import type { Random } from '../chaos/kit/random.ts'
import { until } from '../kit/until.ts'
import { createScripts } from './explore/scripts.ts'
import type { Memory, Scripts } from './explore/scripts.ts'
import { redis, startRedis, startSentinel } from './kit/redis.ts'
import type { TestRedis } from './kit/redis.ts'

const alone = (url: string) => ({ url, sentinels: [], sentinelPassword: null, ca: null })

async function withRedis(
  work: (server: TestRedis) => Promise<void>,
  ...settings: readonly string[]
): Promise<void> {
  const server = await startRedis(...settings)
  try {
    await work(server)
  } finally {
    await server.stop()
  }
}

async function withConnection(server: TestRedis, work: (one: Connection) => Promise<void>) {
  const one = await connectRedis(alone(server.url))
  try {
    await work(one)
  } finally {
    one.destroy()
  }
}

const CALLS = 3_000
/** How long ago a lease began: now, of late, a moment too long ago, and in times to come. */
const AGES = [0, 0, 0, 250, 501, -60_000] as const
const users = ['u1', 'u2', 'u3'] as const
const tokens = ['a', 'b'] as const
const kinds = ['user', 'history'] as const

/** One call, made of the same chance on both sides. */
async function callBoth(random: Random, [at, ...places]: [Place, ...Place[]], sides: Sides) {
  const place = random.pick([at, at, at, ...places])
  const [user, kind, token] = [random.pick(users), random.pick(kinds), random.pick(tokens)]
  const version = () => BigInt(random.below(4))
  const versions = { money: version(), view: version() }
  const { copies, memory, scripts } = sides
  switch (random.below(8)) {
    case 0: {
      const floors = users.slice(random.below(3)).map((one) => {
        return { user: one, money: random.chance(0.5) ? version() : null, view: version() }
      })
      return [await copies.raise(place, floors), scripts.raise(memory, place, floors)]
    }
    case 1:
    case 2:
    case 3: {
      const copy = { kind, user, token, versions, value: `${random.below(100)} "é#` }
      return [await copies.fill(place, copy), scripts.fill(memory, place, copy)]
    }
    case 4:
      if (random.chance(0.9)) return [null, null]
      await sides.flush()
      memory.keys.clear()
      return [null, null]
    case 5:
      await copies.plant(place)
      return ['planted', scripts.plant(memory, place)]
    default: {
      const unfit = random.chance(0.5) ? `${random.below(100)} "é#` : null
      // Redis reads the same clock, and later.
      const ms = Date.now()
      const leased = { ...place, sinceMs: ms - random.pick(AGES) }
      const found = await copies.look(leased, kind, user, token, unfit)
      return [found, scripts.look({ ...memory, now: () => ms }, leased, kind, user, token, unfit)]
    }
  }
}

type Sides = Readonly<{
  copies: Copies
  memory: Memory
  scripts: Scripts
  flush: () => Promise<unknown>
}>

suite('Redis as the protocol needs it', { skip: redis.missing ?? false }, () => {
  test('the scripts do what the explorer thinks they do', async (t) => {
    const random = createRandom(seedOf(t))
    await withRedis(async (server) => {
      const client = createRedis(alone(server.url))
      await client.start()
      const reign = client.copies.reign() ?? assert.fail('it is not connected')
      const memory: Memory = {
        replid: reign.split('/')[1] ?? '',
        master: true,
        keys: new Map(),
        ends: new Set(),
        now: () => assert.fail('a look has its own'),
      }
      const flush = async () => await server.ask('FLUSHALL')
      const sides = { copies: client.copies, memory, scripts: createScripts(), flush }
      for (let call = 0; call < CALLS; call++) {
        const places: [Place, Place] = [
          { tag: '1-a', reign },
          { tag: '2-b', reign },
        ]
        const [real, model] = await callBoth(random, places, sides)
        assert.deepEqual(real, model, `call ${call}`)
      }
      await client.stop()
    })
  })

  test('a Redis that may evict fences is refused, and says what to set', async () => {
    await withRedis(
      async (server) => {
        const connecting = connectRedis(alone(server.url))
        await assert.rejects(connecting, /maxmemory-policy is allkeys-lru.*set it to volatile-lru/)
      },
      '--maxmemory-policy',
      'allkeys-lru',
    )
  })

  test('a replica is refused', async () => {
    await withRedis(async (server) => {
      await server.ask('REPLICAOF', '127.0.0.1', '1')
      await assert.rejects(connectRedis(alone(server.url)), /is a replica/)
    })
  })

  test('a master that was a replica meanwhile has another reign, on the same connection', async () => {
    await withRedis(async (server) => {
      await withConnection(server, async (one) => {
        const prefix = 'farthing:1-a:'
        assert.equal(await one.run('plant', [prefix, one.replid]), 'planted')
        assert.equal(await one.run('raise', [prefix, one.replid, 'u', '1', '0']), 1)
        await server.ask('REPLICAOF', '127.0.0.1', '1')
        assert.equal(await one.run('raise', [prefix, one.replid, 'u', '2', '0']), 'lost')
        await server.ask('REPLICAOF', 'NO', 'ONE')
        assert.equal(await one.run('raise', [prefix, one.replid, 'u', '2', '0']), 'lost')
        await assert.rejects(one.probe(), /mastership/)
      })
    })
  })

  test('copies leave first when memory is full, and floors never', async () => {
    await withRedis(
      async (server) => {
        const client = createRedis(alone(server.url))
        await client.start()
        const { copies } = client
        const at = { tag: '1-a', reign: copies.reign() ?? '' }
        await copies.plant(at)
        await copies.raise(at, [{ user: 'first', money: 7n, view: 7n }])
        const versions = { money: 9n, view: 9n }
        const value = 'x'.repeat(2_000)
        const { fill: keep } = copies
        for (let user = 0; user < 3_000; user++) {
          const copy = { kind: 'user', user: `u${user}`, token: 't', versions, value } as const
          const leased = { ...at, sinceMs: Date.now() }
          await copies.look(leased, 'user', copy.user, 't', null).catch(() => undefined)
          await keep(at, copy)
        }
        assert(Number(await server.ask('DBSIZE')) < 2_900, 'nothing was evicted')
        assert.equal(await server.ask('GET', 'farthing:1-a:floor:first'), '7 7')
        assert.equal(await copies.raise(at, [{ user: 'first', money: 8n, view: null }]), 1)
        await client.stop()
      },
      '--maxmemory',
      '4mb',
      '--maxmemory-policy',
      'volatile-lru',
    )
  })

  test('what is over is swept away, and what is to come is not', async () => {
    await withRedis(async (server) => {
      const client = createRedis(alone(server.url))
      await client.start()
      for (const tag of ['4-a', '5-b', '5-c', '6-d']) {
        await server.ask('SET', `farthing:${tag}:canary`, '0')
      }
      await client.copies.sweep({ number: 5n, tag: '5-c' })
      const left = (await server.ask('KEYS', '*')) as string[]
      assert.deepEqual(left.sort(), ['farthing:5-c:canary', 'farthing:6-d:canary'])
      await client.stop()
    })
  })

  test('scripts that are flushed come back with the next connection', async () => {
    await withRedis(async (server) => {
      const client = createRedis(alone(server.url))
      await client.start()
      const at = { tag: '1-a', reign: client.copies.reign() ?? '' }
      await client.copies.plant(at)
      await server.ask('SCRIPT', 'FLUSH')
      await assert.rejects(client.copies.plant(at), /NOSCRIPT/)
      assert.equal(client.copies.reign(), null)
      await until('it is connected again', () => client.copies.reign() === at.reign)
      await client.copies.plant(at)
      await client.stop()
    })
  })

  test('a password and a number of the database are taken from the address', async () => {
    await withRedis(
      async (server) => {
        await assert.rejects(connectRedis(alone(server.url)))
        const one = await connectRedis(alone(`redis://:secret@127.0.0.1:${server.port}/3`))
        one.destroy()
      },
      '--requirepass',
      'secret',
    )
  })

  test('Sentinel says who the master is, and a process follows it', async () => {
    await withRedis(async (first) => {
      await withRedis(async (second) => {
        await second.ask('REPLICAOF', '127.0.0.1', String(first.port))
        const sentinel = await startSentinel(first)
        const place = { url: 'redis://farthing', sentinels: ['127.0.0.1:1', sentinel.address] }
        const client = createRedis({ ...place, sentinelPassword: null, ca: null })
        await client.start()
        const before = client.copies.reign() ?? assert.fail('it is not connected')
        const info = await second.ask('INFO', 'replication')
        assert.match(String(info), /role:slave/)
        await first.kill()
        await until('the other one is the master', async () => {
          const reign = client.copies.reign()
          return await Promise.resolve(reign !== null && reign !== before)
        })
        await client.stop()
        await sentinel.stop()
      })
    })
  })

  test('a master that Sentinel names at once after a process connected is followed, too', async () => {
    await withRedis(async (first) => {
      await withRedis(async (second) => {
        const sentinel = await startSentinel(first)
        const place = { url: 'redis://farthing', sentinels: [sentinel.address] }
        const client = createRedis({ ...place, sentinelPassword: null, ca: null })
        await client.start()
        const before = client.copies.reign() ?? assert.fail('it is not connected')
        await sentinel.ask('SENTINEL', 'REMOVE', 'farthing')
        await sentinel.ask('SENTINEL', 'MONITOR', 'farthing', '127.0.0.1', String(second.port), '1')
        assert.match(String(await first.ask('INFO', 'replication')), /role:master/)
        const follows = (): boolean => ![before, null].includes(client.copies.reign())
        await until('it is connected to the other one', follows, 20_000)
        await client.stop()
        await sentinel.stop()
      })
    })
  })
})
