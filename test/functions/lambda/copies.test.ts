import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { openServerCache } from '../../../src/cache/cache.ts'
import type { BankAccountId, UserId } from '../../../src/ids/ids.ts'
import { hearCache } from '../../cache/kit/hear.ts'
import { redis, startRedis, type TestRedis } from '../../cache/kit/redis.ts'
import { openWire, type Wire } from '../../cache/kit/wire.ts'
import { component } from '../../kit/components.ts'
import { type LambdaWorld, startLambdaWorld } from './kit.ts'

/**
 * Goal: whoever hears that money came never reads an older copy, though a function posted it that
 * slept with its connection to Redis.
 * Method: the built zip, stopped between invocations as Lambda does, reaches Redis by a wire of its
 * own; this process reads copies in the same Redis.
 */
const skip = component('lambda-runtime').missing ?? redis.missing ?? false

const whole = { start: null, end: null } as const
/** Longer than it trusts its connections after, and shorter; and hardly at all. */
const sleeps = [0, 2_000, 3_500] as const

suite('copies, and functions that sleep', { skip }, () => {
  const heard = hearCache()
  let server: TestRedis
  let wire: Wire
  let world: LambdaWorld
  let ann: UserId
  let bank: BankAccountId
  let owned = 0n

  before(async () => {
    server = await startRedis()
    wire = await openWire(server.port)
    const place = { url: server.url, sentinels: [], sentinelPassword: null, ca: null }
    world = await startLambdaWorld({
      freezes: true,
      concurrency: 1,
      settings: { REDIS_URL: `redis://127.0.0.1:${wire.port}` },
      cache: ({ url, pool }) => openServerCache({ url, redis: place }, pool),
    })
    ann = await world.person()
    bank = await world.bank(ann)
  })
  after(async () => {
    await world.end()
    await wire.close()
    await server.stop()
    heard.stop()
  })

  const balance = async (): Promise<bigint> =>
    (await world.payments.ownUser(ann, whole)).wallet.balance

  async function untilCopied(): Promise<void> {
    await world.until(async () => {
      const hits = heard.count('hit')
      await balance()
      return heard.count('hit') > hits
    })
  }

  /** A function posts a cent while there is a copy. @returns how many epochs that closed. */
  async function aCentComes(): Promise<bigint> {
    await untilCopied()
    const before = await epoch()
    owned += 1n
    await world.addMoney(ann, bank, 1n)
    assert.equal(await balance(), owned)
    await untilCopied()
    assert.equal(await balance(), owned)
    return (await epoch()) - before
  }

  async function epoch(): Promise<bigint> {
    const { rows } = await world.pool.query<{ number: string }>('select number from cache_epoch')
    return BigInt(rows[0]?.number ?? assert.fail('there is no row'))
  }

  for (const sleptMs of sleeps) {
    test(`after ${sleptMs} ms of sleep its fence goes up, and no epoch ends`, async () => {
      await aCentComes()
      await sleep(sleptMs)
      assert.equal(await aCentComes(), 0n)
      assert.equal(world.lambda.started(), 1, 'it was the same one')
    })

    test(`a wire that fell silent in ${sleptMs} ms of sleep ends the epoch`, async () => {
      await aCentComes()
      wire.hush()
      await sleep(sleptMs)
      assert.equal(await aCentComes(), 1n)
      wire.open()
    })

    test(`a connection that was cut in ${sleptMs} ms of sleep makes no copy stale`, async () => {
      await aCentComes()
      await server.ask('CLIENT', 'KILL', 'TYPE', 'normal')
      await sleep(sleptMs)
      assert((await aCentComes()) <= 1n)
    })
  }
})
