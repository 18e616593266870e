import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import type { RedisPlace } from '../../../src/cache/connection.ts'
import type { World } from '../../kit/world.ts'
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

/** Two servers under load, each with a way of its own to Redis. Without fences they are wrong. */
export async function startLoad(
  world: World,
  places: readonly RedisPlace[],
  { fences }: Readonly<{ fences: boolean }>,
): Promise<Live> {
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
      fences,
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
