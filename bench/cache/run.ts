import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import os from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { startRedisAt } from '../../test/cache/kit/redis.ts'
import { requireComponent } from '../../test/kit/components.ts'
import { fillPast, fillPeople } from '../books.ts'
import { describeCache } from './report.ts'
import type { Compared } from './report.ts'
import { startChild } from '../load/child.ts'
import type { Clients } from '../load/clients.ts'
import { measure } from '../measure.ts'
import type { Measured } from '../measure.ts'
import { freePort, startServer } from '../server.ts'
import type { Server } from '../server.ts'
import { startWorld } from '../world.ts'
import type { Books, World } from '../world.ts'

// Reads and payments with copies in Redis and without: `npm run bench:cache` writes
// bench/cache-results.md. Two servers on two databases of one PostgreSQL, alike but for REDIS_URL.
const PEOPLE = 4_000
const CUSTOMERS = 2_048
const PAST_ENTRIES = 120_000
const HOT = 32
const CONNECTIONS = 32
const ROUNDS = 3
const SECONDS = 3
const WARM_SECONDS = 2
/** Until an epoch is open: it stays off for two seconds at least. */
const OPEN_MS = 30_000
/** PostgreSQL's sessions tell of what they did when they have been idle for ten seconds. */
const TOLD_MS = 11_000

const whats = [
  { title: 'a user, of 32', what: 'user', among: HOT },
  { title: 'a user, of 512', what: 'user', among: CUSTOMERS },
  { title: 'first page of a history, of 32', what: 'history', among: HOT },
  { title: 'first page of a history, of 512', what: 'history', among: CUSTOMERS },
] as const

const loadBefore = os.loadavg()[0] ?? Number.NaN
await requireComponent('redis')
const redis = await startRedisAt(await freePort(), [])
const world = await startWorld()
try {
  const sides = [
    await startSide(world, world.house, { REDIS_URL: redis.url }),
    await startSide(world, world.bare, {}),
  ] as const
  try {
    await untilOpen(world.house)
    await warmUp(sides)
    const before = await statementsOf(sides)
    const reads = await compareReads(sides)
    const after = await statementsOf(sides)
    const statements = sides.map((_, at) => {
      return ((after[at] ?? Number.NaN) - (before[at] ?? Number.NaN)) / countOf(reads, at)
    })
    const payments = await comparePayments(sides)
    const facts = { loadBefore, rounds: ROUNDS, seconds: SECONDS, statements }
    const text = await describeCache({ ...facts, reads, ...payments })
    console.log(text)
    await writeFile(new URL('../cache-results.md', import.meta.url), `${text}\n`)
  } finally {
    for (const { stop } of sides) await stop()
  }
} finally {
  await world.stop()
  await redis.stop()
}

type Sided = Awaited<ReturnType<typeof startSide>>

async function startSide(from: World, books: Books, settings: Readonly<Record<string, string>>) {
  const people = await fillPeople(books.pool, PEOPLE)
  const customers = people.slice(0, CUSTOMERS)
  await fillPast(books.pool, customers, PAST_ENTRIES)
  await books.pool.query('vacuum analyze')
  const server = await startServer({ url: books.url, dir: from.dir, more: settings })
  const signedIn = await server.signIn(customers)
  const doors = [server.door]
  const all = await startChild<Clients>('clients.ts', { doors, customers: signedIn })
  const hot = await startChild<Clients>('clients.ts', { doors, customers: signedIn.slice(0, HOT) })
  return {
    books,
    server,
    clientsFor: (among: number) => (among === HOT ? hot : all),
    stop: async () => {
      await all.stop()
      await hot.stop()
      await server.stop()
    },
  }
}

async function untilOpen({ pool }: Books): Promise<void> {
  for (const end = performance.now() + OPEN_MS; ; await sleep(100)) {
    const { rows } = await pool.query<{ state: string }>('select state from cache_epoch')
    if (rows[0]?.state === 'on') return
    assert(performance.now() < end, 'no epoch was opened')
  }
}

type What = Clients['ask']['what']

async function once(side: Sided, what: What, among: number): Promise<Measured> {
  const clients = side.clientsFor(among)
  const run = async (seconds: number) =>
    await clients.ask({ what, connections: CONNECTIONS, ms: seconds * 1_000 })
  const unit = what === 'payment' ? 'payment' : 'read'
  const phase = { name: what, unit, run, program: side.server.pid, clients: clients.pid } as const
  return await measure(world, phase, SECONDS)
}

async function warmUp(sides: readonly Sided[]): Promise<void> {
  for (const side of sides) {
    for (const { what, among } of whats) {
      const ms = WARM_SECONDS * 1_000
      await side.clientsFor(among).ask({ what, connections: CONNECTIONS, ms })
    }
  }
}

/** Each statement of a read is a transaction of its own. */
async function statementsOf(sides: readonly Sided[]): Promise<readonly number[]> {
  await sleep(TOLD_MS)
  return await Promise.all(sides.map(async ({ books }) => await transactions(books)))
}

function countOf(reads: readonly Compared[], side: number): number {
  const each = reads.flatMap(({ pairs }) => pairs.map((pair) => pair[side]?.count ?? 0))
  return each.reduce((sum, count) => sum + count, 0)
}

async function compareReads(sides: readonly [Sided, Sided]): Promise<readonly Compared[]> {
  const rounds = whats.map(({ title }) => ({
    title,
    pairs: [] as (readonly [Measured, Measured])[],
  }))
  for (let round = 1; round <= ROUNDS; round++) {
    for (const [index, { title, what, among }] of whats.entries()) {
      const pair = [await once(sides[0], what, among), await once(sides[1], what, among)] as const
      rounds[index]?.pairs.push(pair)
      console.log(`round ${round}: ${title}: ${pair.map(rate).join(' and ')} a second`)
    }
  }
  return rounds
}

async function transactions({ pool }: Books): Promise<number> {
  const { rows } = await pool.query<{ count: bigint }>(
    `select xact_commit as count from pg_stat_database where datname = current_database()`,
  )
  return Number(rows[0]?.count)
}

async function comparePayments(sides: readonly [Sided, Sided]) {
  const pairs: (readonly [Measured, Measured])[] = []
  const scripts = await scriptsRun()
  const batches = await batchesOf(sides[0].server)
  for (let round = 1; round <= ROUNDS; round++) {
    const pair = [
      await once(sides[0], 'payment', CUSTOMERS),
      await once(sides[1], 'payment', CUSTOMERS),
    ] as const
    pairs.push(pair)
    console.log(`round ${round}: payments: ${pair.map(rate).join(' and ')} a second`)
  }
  const asked = (await scriptsRun()) - scripts
  const written = (await batchesOf(sides[0].server)) - batches
  const trips = asked / written
  // A batch that had to be made again asked again.
  assert(Math.abs(trips - 1) < 0.02, `${trips} round trips to Redis for a batch`)
  return { compared: { title: 'payments', pairs }, trips }
}

async function batchesOf({ operators }: Server): Promise<number> {
  const text = await (await fetch(`${operators}/metrics`)).text()
  return Number(/^farthing_ledger_batch_size_count (\d+)$/m.exec(text)?.[1] ?? 0)
}

async function scriptsRun(): Promise<number> {
  const stats = String(await redis.ask('INFO', 'commandstats'))
  return Number(/cmdstat_evalsha:calls=(\d+)/.exec(stats)?.[1] ?? 0)
}

function rate({ perSecond }: Measured): string {
  return perSecond.toFixed(0)
}
