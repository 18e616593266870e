import { setTimeout as sleep } from 'node:timers/promises'
import { findMaster } from '../../../src/cache/connection.ts'
import type { RedisPlace } from '../../../src/cache/connection.ts'
import type { Random } from '../../chaos/kit/random.ts'
import { startRedis, startSentinel } from '../kit/redis.ts'
import type { TestRedis } from '../kit/redis.ts'
import { openWire } from '../kit/wire.ts'
import type { Wire } from '../kit/wire.ts'
import type { Live } from './drive.ts'

export type Breakable = Readonly<{
  places: readonly RedisPlace[]
  /** One after the other, by chance; each heals what it broke. @returns what was done. */
  break: (random: Random, live: Live) => Promise<string>
  stop: () => Promise<void>
}>

const FAULT_MS = 700

function address({ port }: Wire): RedisPlace {
  return { url: `redis://127.0.0.1:${port}`, sentinels: [], sentinelPassword: null, ca: null }
}

/** A Redis and one that follows it, behind a wire for each server. */
export async function startPlain(): Promise<Breakable> {
  const server = await startRedis()
  const replica = await startRedis('--replicaof', '127.0.0.1', String(server.port))
  const wires = await Promise.all([openWire(server.port), openWire(server.port)])
  const faults: Readonly<Record<string, (live: Live, random: Random) => Promise<unknown>>> = {
    killed: async () => {
      await server.kill()
      await sleep(FAULT_MS)
      await server.start()
    },
    flushed: async () => await server.ask('FLUSHALL'),
    paused: async () => {
      server.pause()
      await sleep(FAULT_MS * 2)
      server.resume()
    },
    'cut off from one': async (_, random) => {
      const wire = wires[random.below(wires.length)] ?? wires[0]
      wire.hush()
      await sleep(FAULT_MS * 2)
      wire.open()
    },
    'a replica in between': async () => await becomeReplica(server, replica),
    'a server that stood still': async (live) => {
      live.freeze(FAULT_MS * 2)
      await sleep(FAULT_MS * 2)
    },
    full: async () => {
      await server.ask('CONFIG', 'SET', 'maxmemory', '1')
      await sleep(FAULT_MS)
      await server.ask('CONFIG', 'SET', 'maxmemory', '0')
    },
  }
  const names = Object.keys(faults) as [string, ...string[]]
  return {
    places: wires.map(address),
    break: async (random, live) => {
      const name = random.pick(names)
      await faults[name]?.(live, random)
      return name
    },
    stop: async () => {
      for (const wire of wires) await wire.close()
      await server.stop()
      await replica.stop()
    },
  }
}

/** It takes over what the other one has, which is late, and is the master again. */
async function becomeReplica(server: TestRedis, replica: TestRedis): Promise<void> {
  replica.pause()
  await sleep(FAULT_MS)
  replica.resume()
  await replica.ask('REPLICAOF', 'NO', 'ONE')
  await server.ask('REPLICAOF', '127.0.0.1', String(replica.port))
  await sleep(FAULT_MS)
  await server.ask('REPLICAOF', 'NO', 'ONE')
  await replica.ask('REPLICAOF', '127.0.0.1', String(server.port))
}

/** How long the Sentinel takes to see a master that is silent, and to name the other one. */
const FAILOVER_MS = 2_800

/** Two Redis under a Sentinel: the master dies or stands still, the other one takes over. */
export async function startWithSentinel(): Promise<Breakable> {
  const pair = [await startRedis(), await startRedis()] as const
  const [first, second] = pair
  await second.ask('REPLICAOF', '127.0.0.1', String(first.port))
  const sentinel = await startSentinel(first)
  const sentinels = [sentinel.address]
  const place: RedisPlace = {
    url: 'redis://farthing',
    sentinels,
    sentinelPassword: null,
    ca: null,
  }

  async function master(): Promise<TestRedis> {
    const port = Number(new URL(await findMaster(place)).port)
    return port === second.port ? second : first
  }

  const faults: Readonly<Record<string, (old: TestRedis) => Promise<void>>> = {
    'failed over: the master was killed': async (old) => {
      await old.kill()
      await sleep(FAILOVER_MS)
      await old.start()
    },
    // It wakes as a master, and is one until the Sentinel tells it otherwise.
    'failed over: the master stood still': async (old) => {
      old.pause()
      await sleep(FAILOVER_MS)
      old.resume()
    },
  }
  const names = Object.keys(faults) as [string, ...string[]]
  return {
    places: [place, place],
    break: async (random) => {
      const name = random.pick(names)
      await faults[name]?.(await master())
      await sleep(FAILOVER_MS)
      return name
    },
    stop: async () => {
      await sentinel.stop()
      for (const one of pair) await one.stop()
    },
  }
}
