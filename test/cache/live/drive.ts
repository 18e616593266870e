import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import type { RedisPlace } from '../../../src/cache/connection.ts'
import type { Random } from '../../chaos/kit/random.ts'
import type { World } from '../../kit/world.ts'
import { startRedis, startSentinel } from '../kit/redis.ts'
import type { TestRedis } from '../kit/redis.ts'
import { openWire } from '../kit/wire.ts'
import type { Wire } from '../kit/wire.ts'
import { createHeard } from './heard.ts'
import type { Order, Server, Told } from './server.ts'

const THREADS = 2
const PAYERS = 4
const RECEIVERS = 8
const START_CENTS = 10_000_000n

export type Live = Readonly<{
  /** The sum of what the servers tell. */
  told: () => Promise<Told>
  /** Ends the load. */
  stop: () => Promise<Told>
  freeze: (ms: number) => void
}>

/** Two servers under load, each with a way of its own to Redis. */
export async function startLoad(world: World, places: readonly RedisPlace[]): Promise<Live> {
  const payers = await Promise.all(
    Array.from({ length: PAYERS }, async () => await world.rich(START_CENTS)),
  )
  const receivers = await Promise.all(
    Array.from({ length: RECEIVERS }, async () => await world.person()),
  )
  const users = [...payers, ...receivers]
  const heard = createHeard(users.length)
  const latest: Told[] = []
  const workers = places.map((redis, index) => {
    const names = users.map((_, user) => user).filter((user) => user % THREADS === index)
    const workerData: Server = {
      url: world.url,
      redis,
      users,
      payers: PAYERS,
      start: START_CENTS,
      names,
      heard: heard.buffer,
      digestKey: randomBytes(32),
    }
    const worker = new Worker(new URL('server.ts', import.meta.url), { workerData })
    worker.on('message', (told: Told) => {
      latest[index] = told
    })
    return worker
  })
  // A thread takes a while to load all that a server is.
  await Promise.all(workers.map(async (worker) => await once(worker, 'message')))
  const order = (what: Order): void => {
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin
    for (const worker of workers) worker.postMessage(what)
  }
  return {
    freeze: (freezeMs) => {
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- as above
      workers[0]?.postMessage({ freezeMs } satisfies Order)
    },
    told: async () => {
      order({ tell: true })
      await sleep(TELL_MS)
      return sum(latest)
    },
    stop: async () => {
      const ends = workers.map(async (worker) => await once(worker, 'exit'))
      order({ stop: true })
      await Promise.all(ends)
      return sum(latest)
    },
  }
}

const TELL_MS = 200

function sum(all: readonly Told[]): Told {
  const counts: Record<string, number> = {}
  for (const { counts: theirs } of all) {
    for (const [name, count] of Object.entries(theirs)) counts[name] = (counts[name] ?? 0) + count
  }
  return {
    reads: all.reduce((sum, { reads }) => sum + reads, 0),
    payments: all.reduce((sum, { payments }) => sum + payments, 0),
    failed: all.flatMap(({ failed }) => failed),
    stale: all.flatMap(({ stale }) => stale),
    counts,
  }
}

export type Breakable = Readonly<{
  places: readonly RedisPlace[]
  /** One after the other, by chance; each heals what it broke. @returns what was done. */
  break: (random: Random, live: Live) => Promise<string>
  stop: () => Promise<void>
}>

const FAULT_MS = 700

function address({ port }: Wire): RedisPlace {
  return { url: `redis://127.0.0.1:${port}`, sentinels: [], sentinelPassword: null }
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

/** Two Redis under a Sentinel: the master dies, the other one takes over, and back again. */
export async function startWithSentinel(): Promise<Breakable> {
  const pair = [await startRedis(), await startRedis()] as const
  const [first, second] = pair
  await second.ask('REPLICAOF', '127.0.0.1', String(first.port))
  const sentinel = await startSentinel(first)
  const sentinels = [sentinel.address]
  const place: RedisPlace = { url: 'redis://farthing', sentinels, sentinelPassword: null }
  let master: TestRedis = first
  return {
    places: [place, place],
    break: async () => {
      const old = master
      master = old === first ? second : first
      await old.kill()
      await sleep(FAULT_MS * 4)
      await old.start()
      await sleep(FAULT_MS * 4)
      return 'failed over'
    },
    stop: async () => {
      await sentinel.stop()
      for (const one of pair) await one.stop()
    },
  }
}
