import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { freshDatabase } from '../kit/database.ts'
import type { FreshDatabase } from '../kit/database.ts'
import { assertBooks, assertHeardIsTrue, countTransactions } from './kit/books.ts'
import type { Heard } from './kit/lies.ts'
import { fund, signUp, tryMove } from './kit/caller.ts'
import type { Caller } from './kit/caller.ts'
import { insist } from './kit/insist.ts'
import { ownPort } from '../kit/port.ts'
import { until } from '../kit/until.ts'
import { calm, startProxy } from './kit/proxy.ts'
import type { Proxy } from './kit/proxy.ts'
import { createRandom, seedOf } from './kit/random.ts'
import type { Random } from './kit/random.ts'
import { createFarthing } from './kit/farthing.ts'
import type { Farthing } from './kit/farthing.ts'

/**
 * Goal: a server that sleeps in the middle of a batch, and wakes up when the database has long
 * ended its session and others have paid from the same accounts, neither doubles nor loses.
 * Method: two servers on one database. One is stopped by SIGSTOP, and goes on after the server's
 * idle_in_transaction_session_timeout. Callers ask either of them, also for the same key.
 */
const ASLEEP_MS = 11_000
const CALLERS = 12
/** Then a caller gives an attempt up, and asks again, perhaps the other server. */
const PATIENCE_MS = 1_500

let dataDir: string
let database: FreshDatabase
let proxy: Proxy
let sleeper: Farthing
let other: Farthing
before(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'farthing-chaos-'))
  database = await freshDatabase()
  proxy = await startProxy(database.url)
  // One service in two processes: the same keys, one issuer, and tokens that both take.
  const [authPort, spare] = [String(await ownPort()), String(await ownPort())]
  const AUTH_URL = `http://localhost:${authPort}`
  const shared = { DATA_DIR: dataDir, PUBLIC_URL: 'http://localhost:8080', AUTH_URL }
  sleeper = await createFarthing({ ...shared, DATABASE_URL: proxy.url, AUTH_PORT: spare })
  other = await createFarthing({ ...shared, DATABASE_URL: database.url, AUTH_PORT: authPort })
  sleeper.start()
  await sleeper.ready()
  other.start()
  await other.ready()
})
after(async () => {
  await sleeper.sigkill()
  await other.sigkill()
  await proxy.close()
  await database.drop()
  await rm(dataDir, { recursive: true, force: true })
})

/** Where the batch stands when its process falls asleep. */
const moments = {
  'before its COMMIT is sent': async () => await sleepAtCommit('stall-before'),
  'before it hears the answer to its COMMIT': async () => await sleepAtCommit('stall-after'),
  'anywhere in a batch': async () => {
    await delay(200)
    sleeper.pause()
  },
} as const

async function sleepAtCommit(fault: 'stall-before' | 'stall-after'): Promise<void> {
  let asleep = false
  proxy.plan({
    ...calm,
    commit: () => {
      if (asleep) return null
      asleep = true
      sleeper.pause()
      return fault
    },
  })
  await until('a COMMIT comes by', () => asleep)
  proxy.plan(calm)
}

test('a server that sleeps and wakes up neither doubles nor loses', async (t) => {
  const random = createRandom(seedOf(t))
  const callers = await Promise.all(
    Array.from({ length: CALLERS }, async () => await signUp(other.api)),
  )
  await Promise.all(callers.map(async (one) => await fund(other.api, one, 50_000n)))
  const ids = callers.map(({ userId }) => userId)
  const before = await countTransactions(database.pool, ids)
  const heard: Heard[] = []
  const calmDown = new AbortController()
  const load = Promise.all(
    callers.map(async (caller) => {
      const own = createRandom(random.below(2 ** 31))
      while (!calmDown.signal.aborted) heard.push(await payOnce(caller, callers, own))
    }),
  )
  load.catch(() => calmDown.abort())
  for (const [moment, fallAsleep] of Object.entries(moments)) {
    await fallAsleep()
    const answers = heard.length
    await delay(ASLEEP_MS)
    t.diagnostic(`asleep ${moment}: ${heard.length - answers} answers from the other server`)
    proxy.release()
    sleeper.resume()
    await sleeper.ready()
    const goal = heard.length + 2 * CALLERS
    await until('both servers answer', () => calmDown.signal.aborted || heard.length > goal)
  }
  calmDown.abort()
  await load
  t.diagnostic(`${heard.length} answers`)
  await assertHeardIsTrue(database.pool, heard, before)
  await assertBooks(database.pool)
  assert.equal(sleeper.endings() + other.endings(), 0)
})

/** Each attempt goes to either server, whoever happens to be reached. */
async function payOnce(caller: Caller, callers: readonly Caller[], random: Random): Promise<Heard> {
  const others = callers.filter((one) => one !== caller)
  const payee = others[random.below(others.length)]!.name
  const cents = BigInt(1 + random.below(10_000))
  const move = {
    kind: 'payment',
    caller,
    payee,
    cents,
    key: randomUUID(),
    patienceMs: PATIENCE_MS,
  } as const
  const began = performance.now()
  return await insist(async () => {
    const { api } = random.pick([sleeper, other])
    return await tryMove(api, move, began)
  })
}
