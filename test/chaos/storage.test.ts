import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { Client } from 'pg'
import { placesIn, readSecrets, superuserUrl } from '../../src/db/embedded/cluster.ts'
import { findEmbedded } from '../../src/db/embedded.ts'
import { openPool } from '../../src/db/pool.ts'
import type { Pool } from '../../src/db/pool.ts'
import { assertBooks, assertHeardIsTrue, countTransactions } from './kit/books.ts'
import type { Heard } from './kit/lies.ts'
import { fillDisk, mountSmallDisk, unmountDisk } from './kit/disk.ts'
import { ask, fund, signUp, tryMove } from './kit/caller.ts'
import type { Caller } from './kit/caller.ts'
import { insist } from './kit/insist.ts'
import { until } from '../kit/until.ts'
import { createRandom, seedOf } from './kit/random.ts'
import type { Random } from './kit/random.ts'
import { createFarthing } from './kit/farthing.ts'
import type { Farthing } from './kit/farthing.ts'

/**
 * Goal: on a full disk money stops and says so, reads go on or say that they do not, and nothing is
 * corrupt: with room again all goes on.
 * Method: the service's data lies on a small file system of its own, which is filled to the brim.
 */
const SIZE_MB = 192
const CALLERS = 16

let disk: string | null = null
let service: Farthing
before(async () => {
  const dir = await mkdtemp(join(tmpdir(), 'farthing-disk-'))
  if (!mountSmallDisk(dir, SIZE_MB)) return await rm(dir, { recursive: true, force: true })
  disk = dir
  service = await createFarthing({ DATA_DIR: dataDirOf(disk) })
  service.start()
  await service.ready()
})
after(async () => {
  if (disk === null) return
  await service.stop()
  unmountDisk(disk)
  await rm(disk, { recursive: true, force: true })
})

/** How much of PostgreSQL stops on a full disk. */
const depths = [
  { name: 'tables cannot grow', deepen: async () => await Promise.resolve() },
  // PostgreSQL itself ends then, and cannot recover before there is room.
  { name: 'the log cannot grow', deepen: useUpLog },
] as const

for (const { name, deepen } of depths) {
  test(`on a full disk, where ${name}, money stops, and goes on with room again`, async (t) => {
    if (disk === null) {
      t.skip('a small file system can only be mounted by root on Linux')
      return
    }
    const ballast = join(disk, 'ballast')
    const callers = await Promise.all(
      Array.from({ length: CALLERS }, async () => await signUp(service.api)),
    )
    await Promise.all(callers.map(async (one) => await fund(service.api, one, 50_000n)))
    const before = await inBooks(async (books) => {
      return await countTransactions(
        books,
        callers.map(({ userId }) => userId),
      )
    })
    const load = startLoad(callers, createRandom(seedOf(t)))
    await load.until('payments go', ({ heard }) => heard.length > CALLERS)
    await fillDisk(ballast)
    // What is left in files that PostgreSQL has already is used up by the payments themselves.
    await load.until('money stops', async ({ reasons }) => {
      await fillDisk(ballast)
      return reasons.length > 3 * CALLERS
    })
    await deepen()
    await assertReadsAreHonest(callers)
    await rm(ballast)
    const goal = load.heard.length + 5 * CALLERS
    await load.until('payments go again', ({ heard }) => heard.length > goal)
    await load.stop()
    const kinds = Object.groupBy(load.reasons, (reason) => reason)
    const counts = Object.entries(kinds).map(([reason, all]) => `${all?.length} ${reason}`)
    t.diagnostic(`${load.heard.length} answers; asked again: ${counts.join(', ')}`)
    await service.ready()
    assert.equal(service.endings(), 0, service.output())
    await inBooks(async (books) => {
      await assertHeardIsTrue(books, load.heard, before)
      await assertBooks(books)
    })
  })
}

/** Every caller pays some other one, again and again. */
function startLoad(callers: readonly Caller[], random: Random) {
  const heard: Heard[] = []
  const reasons: string[] = []
  const calm = new AbortController()
  const payOnce = async (caller: Caller): Promise<Heard> => {
    const others = callers.filter((one) => one !== caller)
    const payee = others[random.below(others.length)]!.name
    const cents = BigInt(1 + random.below(500))
    const move = { kind: 'payment', caller, payee, cents, key: randomUUID() } as const
    const began = performance.now()
    const attempt = async () => await tryMove(service.api, move, began)
    return await insist(attempt, (reason) => reasons.push(reason))
  }
  const running = Promise.all(
    callers.map(async (caller) => {
      while (!calm.signal.aborted) heard.push(await payOnce(caller))
    }),
  )
  // A caller that fails is heard of when the load is stopped, not before.
  running.catch(() => calm.abort())
  const state = { heard, reasons }
  return {
    ...state,
    until: async (what: string, fact: (so: typeof state) => boolean | Promise<boolean>) => {
      await until(what, async () => calm.signal.aborted || (await fact(state)))
    },
    stop: async () => {
      calm.abort()
      await running
    },
  }
}

/** Begins new files of the write-ahead log until there is no room for one. */
async function useUpLog(): Promise<void> {
  await until('PostgreSQL ends', async () => {
    const secrets = await readSecrets(placesIn(dataDirOf(disk)))
    assert(secrets)
    const client = new Client({ connectionString: superuserUrl(secrets) })
    client.on('error', () => undefined) // told by the query
    try {
      await client.connect()
      await client.query('select pg_switch_wal(), pg_logical_emit_message(true, $1, $1)', ['x'])
      return false
    } catch {
      return true
    } finally {
      await client.end()
    }
  })
}

async function assertReadsAreHonest(callers: readonly Caller[]): Promise<void> {
  for (const { name, token } of callers) {
    for (const path of [`/v1/user/${name}`, `/v1/transactions/${name}`]) {
      const answer = await ask(service.api, { method: 'GET', path, token })
      const code = answer.body['code']
      const unavailable = answer.status === 503 && code === 'database_unavailable'
      assert(answer.status === 200 || unavailable, `${path}: ${answer.status} ${String(code)}`)
    }
  }
  assert.equal((await ask(service.api, { method: 'GET', path: '/healthz' })).status, 200)
}

async function inBooks<T>(work: (books: Pool) => Promise<T>): Promise<T> {
  const url = await findEmbedded(dataDirOf(disk))
  assert(url !== null)
  const timeout = { statementTimeoutMs: 60_000 }
  const books = openPool({ url, max: 2, ...timeout, applicationName: 'chaos books' })
  try {
    return await work(books)
  } finally {
    await books.end()
  }
}

function dataDirOf(mounted: string | null): string {
  assert(mounted !== null)
  return join(mounted, 'data')
}
