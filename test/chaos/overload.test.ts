import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { freshDatabase } from '../kit/database.ts'
import type { FreshDatabase } from '../kit/database.ts'
import { assertBooks, assertHeardIsTrue, countTransactions } from './books.ts'
import type { Heard } from './books.ts'
import { fund, moveAsk, signUp, tryMove } from './caller.ts'
import type { Caller, Move } from './caller.ts'
import { insist } from './insist.ts'
import { pipeline } from './pipeline.ts'
import { calm, startProxy } from './proxy.ts'
import type { Proxy } from './proxy.ts'
import { createService } from './service.ts'
import type { Service } from './service.ts'

/**
 * Goal: more than the service can take is refused in time, loses nothing, and leaves no trace.
 * Method: the database stops to answer for a moment, and far more payments than may wait arrive.
 */
const CONNECTIONS = 100
const REQUESTS_EACH = 130
/** Far above what it needs, and far below what unbounded queues would take. */
const MEMORY_MAX_MB = 600
const PEOPLE = 20

let dataDir: string
let database: FreshDatabase
let proxy: Proxy
let service: Service
before(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'farthing-chaos-'))
  database = await freshDatabase()
  proxy = await startProxy(database.url)
  service = await createService({ DATA_DIR: dataDir, DATABASE_URL: proxy.url })
  service.start()
  await service.ready()
})
after(async () => {
  await service.sigkill()
  await proxy.close()
  await database.drop()
  await rm(dataDir, { recursive: true, force: true })
})

test('of far too many payments some are refused, and none is lost or doubled', async (t) => {
  const callers = await Promise.all(
    Array.from({ length: PEOPLE }, async () => await signUp(service.api)),
  )
  await Promise.all(callers.map(async (one) => await fund(service.api, one, 50_000n)))
  const before = await countTransactions(
    database.pool,
    callers.map(({ userId }) => userId),
  )
  const moves = Array.from({ length: CONNECTIONS * REQUESTS_EACH }, (_, index) =>
    moveOf(callers, index),
  )
  const began = performance.now()
  proxy.plan({ ...calm, commit: () => 'stall-before' })
  const flood = Promise.all(
    Array.from({ length: CONNECTIONS }, async (_, index) => {
      const own = moves.slice(index * REQUESTS_EACH, (index + 1) * REQUESTS_EACH)
      return await pipeline(service.api, own.map(moveAsk))
    }),
  )
  const answers = (await flood).flat()
  proxy.plan(calm)
  proxy.release()

  const refused = answers.filter((answer) => answer?.status === 429)
  const statuses = Object.groupBy(answers, (answer) => String(answer?.status ?? 'none'))
  const counts = Object.entries(statuses).map(([status, all]) => `${status}: ${all?.length}`)
  t.diagnostic(`${answers.length} at once: ${counts.join(', ')}`)
  assert(refused.length > 0, 'nobody was refused')
  for (const answer of refused) {
    assert.match(answer?.headers.get('retry-after') ?? '', /^\d+$/)
    assert.equal((JSON.parse(answer?.body ?? '') as { code: string }).code, 'overloaded')
  }
  for (const answer of answers) assert([200, 429, 503].includes(answer?.status ?? 0))
  const peak = await peakMemoryMb(service.pid())
  t.diagnostic(`peak memory ${peak} MB`)
  assert(peak < MEMORY_MAX_MB)

  await service.ready()
  const heard: Heard[] = []
  const rest = [...moves]
  const worker = async (): Promise<void> => {
    for (let move = rest.pop(); move; move = rest.pop()) {
      const asked = move
      heard.push(await insist(async () => await tryMove(service.api, asked, began)))
    }
  }
  await Promise.all(Array.from({ length: 64 }, worker))
  await assertHeardIsTrue(database.pool, heard, before)
  await assertBooks(database.pool)
})

function moveOf(callers: readonly Caller[], index: number): Move {
  const caller = callers[index % callers.length]!
  const payee = callers[(index + 1 + (index % 7)) % callers.length]!.name
  return { kind: 'payment', caller, payee, cents: BigInt(1 + (index % 50)), key: randomUUID() }
}

/** The most memory that the service's own process ever had. Linux tells it; elsewhere 0. */
async function peakMemoryMb(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '')
  const kilobytes = /^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1]
  return Math.round(Number(kilobytes ?? 0) / 1_024)
}
