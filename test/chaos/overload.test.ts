import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, test } from 'node:test'
import { peakMemoryBytes, withChildren } from '../../bench/processes.ts'
import { assertBooks, assertHeardIsTrue, countTransactions } from './kit/books.ts'
import type { Heard } from './kit/lies.ts'
import { asAnswer, fund, moveAsk, signUp, tryMove, userOf } from './kit/caller.ts'
import type { Caller, Move, Transaction } from './kit/caller.ts'
import { insist, isAgain } from './kit/insist.ts'
import { until } from '../kit/until.ts'
import { pipeline } from './kit/pipeline.ts'
import type { Heading } from './kit/pipeline.ts'
import { calm } from './kit/proxy.ts'
import { startBehindProxy } from './kit/farthing.ts'
import type { Farthing } from './kit/farthing.ts'

/**
 * Goal: more than the service can take is refused in time, loses nothing, and leaves no trace.
 * Method: the database stops to answer for a moment, and far more payments than may wait arrive.
 */
const CONNECTIONS = 100
const REQUESTS_EACH = 130
/** Far above what it needs, and far below what unbounded queues would take. */
const MEMORY_MAX_MB = 600
const PEOPLE = 20
/** Longer than anybody is let wait for a place, and shorter than the first wait for a commit. */
const PROBE_PATIENCE_MS = 4_000

let world: Awaited<ReturnType<typeof startBehindProxy>>
before(async () => {
  // The payments are more than one server lets wait; two would take them all.
  world = await startBehindProxy(1)
})
after(async () => await world.close())

test('of far too many payments some are refused, and none is lost or doubled', async (t) => {
  const { database, proxy, service } = world
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
  const calmMb = peakMemoryMb(service.pid())
  const began = performance.now()
  proxy.plan({ ...calm, commit: () => 'stall-before' })
  const flood = Promise.all(
    Array.from({ length: CONNECTIONS }, async (_, index) => {
      const own = moves.slice(index * REQUESTS_EACH, (index + 1) * REQUESTS_EACH)
      return await pipeline(service.api, own.map(moveAsk))
    }),
  )
  // Who waits for a place meanwhile hears within two seconds that there is none.
  await until('the flood has come', async () => (await waiting(service)) > 0)
  const probe = { ...moveOf(callers, 0), patienceMs: PROBE_PATIENCE_MS }
  const turned = await tryMove(service.api, probe, began)
  assert(isAgain(turned) && turned.again === 'overloaded', 'a newcomer is refused')
  proxy.plan(calm)
  proxy.release()
  const answers = (await flood).flat()

  const statuses = Object.groupBy(answers, (answer) => String(answer?.status ?? 'none'))
  const counts = Object.entries(statuses).map(([status, all]) => `${status}: ${all?.length}`)
  t.diagnostic(`${answers.length} at once: ${counts.join(', ')}`)
  assert.deepEqual(
    Object.keys(statuses).filter((status) => !['200', '429', '503'].includes(status)),
    [],
  )
  for (const refused of statuses['429'] ?? []) {
    assert.match(refused?.headers.get('retry-after') ?? '', /^\d+$/)
    assert.equal(codeOf(refused), 'overloaded')
  }
  const peakMb = peakMemoryMb(service.pid())
  t.diagnostic(`peak memory ${peakMb} MB, ${calmMb} MB before`)
  assert(process.platform !== 'linux' || peakMb > 0, 'Linux tells how much memory it was')
  assert(!(peakMb >= MEMORY_MAX_MB))

  await service.ready()
  const ask = async (move: Move): Promise<Heard> =>
    await insist(async () => await tryMove(service.api, { ...move, patienceMs: 30_000 }, began))
  const heard: Heard[] = []
  let asked = 0
  for (const [index, move] of moves.entries()) {
    const code = codeOf(answers[index] ?? null)
    // These say that nothing happened. Some are believed, and some ask again.
    const nothing = code === 'overloaded' || code === 'database_unavailable'
    if (nothing && index % 20 !== 0) heard.push(refusalOf(move, began))
    else if (code === null && index % 20 !== 0) heard.push(answerTo(move, began, answers[index]))
    else {
      heard.push(await ask(move))
      asked += 1
    }
  }
  heard.push(await ask(probe))
  t.diagnostic(`${asked} asked again`)
  await assertHeardIsTrue(database.pool, heard, before)
  await assertBooks(database.pool)
})

/** How many payments wait for a place. */
async function waiting({ output }: Farthing): Promise<number> {
  const operators = /Operators +(\S+)\/metrics/.exec(output())?.[1]
  const metrics = await (await fetch(`${operators}/metrics`)).text()
  return Number(/^farthing_http_waiting\{kind="writes"\} (\d+)$/m.exec(metrics)?.[1])
}

function refusalOf({ kind, caller, payee, cents, key }: Move, began: number): Heard {
  const said = { caller: caller.userId, key, kind, payee: userOf(payee), cents, began }
  return { ...said, ended: performance.now(), answer: null }
}

function answerTo(move: Move, began: number, answer: Heading | null | undefined): Heard {
  return {
    ...refusalOf(move, began),
    answer: asAnswer(JSON.parse(answer?.body ?? '') as Transaction),
  }
}

/** Null for an answer that is no refusal. */
function codeOf(answer: Heading | null): string | null {
  if (answer?.status === 200) return null
  return (JSON.parse(answer?.body ?? '{"code":"none"}') as { code: string }).code
}

function moveOf(callers: readonly Caller[], index: number): Move {
  const caller = callers[index % callers.length]!
  const payee = callers[(index + 1 + (index % 7)) % callers.length]!.name
  return { kind: 'payment', caller, payee, cents: BigInt(1 + (index % 50)), key: randomUUID() }
}

/** The most memory that any process of the service ever had. Where nobody tells it: NaN. */
function peakMemoryMb(pid: number): number {
  // One that ended since it was listed tells nothing, and must not silence the others.
  const told = withChildren(pid)
    .map(peakMemoryBytes)
    .filter((bytes) => bytes > 0)
  return told.length === 0 ? Number.NaN : Math.round(Math.max(...told) / 1_024 ** 2)
}
