import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { assertBooks, assertHeardIsTrue, countTransactions } from '../chaos/kit/books.ts'
import type { Heard } from '../chaos/kit/lies.ts'
import { ask, fund, moveAsk, signUp, tryMove } from '../chaos/kit/caller.ts'
import type { Ask, Caller, Move, Transaction } from '../chaos/kit/caller.ts'
import { createFarthing, signalProcess, untilOpen } from '../chaos/kit/farthing.ts'
import type { Farthing } from '../chaos/kit/farthing.ts'
import { insist } from '../chaos/kit/insist.ts'
import { pipeline } from '../chaos/kit/pipeline.ts'
import type { Heading } from '../chaos/kit/pipeline.ts'
import { freshDatabase } from '../kit/database.ts'
import type { FreshDatabase } from '../kit/database.ts'
import { until } from '../kit/until.ts'
import { openVisits } from './visits.ts'

/**
 * Goal: two servers that share a port are one service: to the cent, to the request, and while one
 * of them dies or is replaced.
 * Method: `farthing start` with SERVERS=2, limits and quotas on. Connections go round, so requests
 * over several connections meet in both.
 */
let dataDir: string
let database: FreshDatabase
let service: Farthing
let ann: Caller
let bob: Caller
before(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'farthing-servers-'))
  database = await freshDatabase()
  service = await createFarthing({
    DATA_DIR: dataDir,
    DATABASE_URL: database.url,
    SERVERS: '2',
    LIMITS: 'on',
    RATE_LIMITS: 'on',
  })
  service.start()
  await untilOpen(service)
  ;[ann, bob] = await Promise.all([signUp(service.api), signUp(service.api)])
  await Promise.all([fund(service.api, ann, 50_000n), fund(service.api, bob, 50_000n)])
})
after(async () => {
  await service.sigkill()
  await database.drop()
  await rm(dataDir, { recursive: true, force: true })
})

/** Of the service's process group, by the words that each was started with. */
async function pidsOf(words: RegExp): Promise<readonly number[]> {
  const { stdout } = await promisify(execFile)('ps', ['-eo', 'pid=,pgid=,args='])
  const rows = stdout.split('\n').map((row) => row.trim().split(/\s+/))
  const own = rows.filter(([, group, ...args]) => {
    return group === String(service.pid()) && words.test(args.join(' '))
  })
  return own.map(([pid]) => Number(pid))
}

const serverPids = async () => await pidsOf(/processes\/main\.ts server \d+$/)

function payment(from: Caller, to: Caller, cents: bigint, key: string = randomUUID()): Move {
  return { kind: 'payment', caller: from, payee: to.name, cents, key }
}

/** The same number of requests over each of so many connections, all at once. */
async function overConnections(
  count: number,
  asks: readonly Ask[],
): Promise<readonly (Heading | null)[]> {
  const each = Math.ceil(asks.length / count)
  const parts = Array.from({ length: count }, (_, index) => {
    return asks.slice(index * each, (index + 1) * each)
  })
  return (await Promise.all(parts.map(async (part) => await pipeline(service.api, part)))).flat()
}

const times = (count: number, asked: Ask): readonly Ask[] => {
  return Array.from({ length: count }, () => asked)
}

function transactionIn(answer: Heading | null): Transaction {
  assert.equal(answer?.status, 200, answer?.body)
  return JSON.parse(answer.body) as Transaction
}

test('fifty requests with one key over both servers have one effect', async () => {
  const asked = moveAsk(payment(ann, bob, 100n))
  const answers = await overConnections(50, times(50, asked))
  const ids = new Set(answers.map((answer) => transactionIn(answer).transactionId))
  assert.equal(ids.size, 1)
  const made = await countTransactions(database.pool, [ann.userId])
  assert.equal(made.get(ann.userId), 2, 'it, and the money that came from the bank')
})

test('crossing payments through both servers never wait for each other for good', async () => {
  const answers: (Heading | null)[] = []
  // So few at once that no server has too many, also on a slow machine.
  for (let round = 0; round < 8; round += 1) {
    const asks = Array.from({ length: 50 }, (_, index) => {
      return moveAsk(index % 2 === 0 ? payment(ann, bob, 1n) : payment(bob, ann, 1n))
    })
    answers.push(...(await overConnections(10, asks)))
  }
  for (const answer of answers) assert.equal(transactionIn(answer).status, 'accepted')
  const { rows } = await database.pool.query<{ deadlocks: bigint }>(
    'select deadlocks from pg_stat_database where datname = current_database()',
  )
  assert.equal(Number(rows[0]?.deadlocks), 0)
})

test('what may be sent in seven days is held to the cent over both servers', async () => {
  const carl = await signUp(service.api)
  await fund(service.api, carl, 50_000n)
  const asks = Array.from({ length: 60 }, () => moveAsk(payment(carl, bob, 1_000n)))
  const answers = (await overConnections(20, asks)).map(transactionIn)
  const accepted = answers.filter(({ status }) => status === 'accepted')
  assert.equal(accepted.length, 29, 'of $299.99, ten dollars at a time')
  for (const { status, declineReason } of answers) {
    if (status !== 'accepted') assert.equal(declineReason, 'limit_send')
  }
  const rest = await overConnections(
    2,
    [999n, 1n].map((cents) => moveAsk(payment(carl, bob, cents))),
  )
  const sent = rest.map(transactionIn).filter(({ status }) => status === 'accepted')
  assert(sent.length > 0)
  const total = 29_000 + sent.reduce((sum, { amount }) => sum + amount, 0)
  assert(total <= 29_999, `${total} were sent`)
})

test('a caller has as many requests over both servers as one server would allow', async (t) => {
  const attempt = async (): Promise<boolean> => {
    const caller = await signUp(service.api)
    const path = `/v1/request/${randomUUID()}`
    const look: Ask = { method: 'GET', path, token: caller.token }
    const began = performance.now()
    const answers: (Heading | null)[] = []
    let longest = 0
    // So few at once that no server has too many.
    for (let round = 0; round < 26; round += 1) {
      const start = performance.now()
      answers.push(...(await overConnections(2, times(50, look))))
      longest = Math.max(longest, performance.now() - start)
    }
    const took = Math.round(performance.now() - began)
    t.diagnostic(`1,300 requests in ${took} ms, 50 of them in ${longest.toFixed(0)} ms at most`)
    // Then another window may have begun meanwhile, or a server waited in vain for its share.
    if (took > 55_000 || longest > 900) return false
    const counts = Object.groupBy(answers, (answer) => String(answer?.status))
    assert.equal(counts['404']?.length, 1_200)
    assert.equal(counts['429']?.length, 100)
    for (const refused of counts['429']) assert(Number(refused?.headers.get('retry-after')) > 0)
    return true
  }
  await until('a machine that is fast enough', attempt)
})

const operators = (): string => {
  return /Operators +(\S+)\/metrics/.exec(service.output())?.[1] ?? assert.fail('a port is printed')
}

/** How many servers take traffic, as operators see it. */
async function standing(): Promise<Readonly<{ wanted: number; ready: number }>> {
  const state = await (await fetch(`${operators()}/readyz`)).json()
  return (state as { servers: { wanted: number; ready: number } }).servers
}

/** Until two take traffic, without the one that died: a process that only starts takes none. */
async function untilReplaced(dead: number): Promise<void> {
  await until('another one serves in its place', async () => {
    return !(await serverPids()).includes(dead) && (await standing()).ready === 2
  })
}

test('operators see all processes at one port', async () => {
  const metrics = await (await fetch(`${operators()}/metrics`)).text()
  assert.match(metrics, /^farthing_processes\{role="server",state="ready"\} 2$/m)
  assert.match(metrics, /^farthing_processes\{role="worker",state="ready"\} 1$/m)
  const payments = /^farthing_ledger_batch_size_sum (\d+)$/m.exec(metrics)?.[1]
  const { rows } = await database.pool.query<{ count: bigint }>(
    'select count(*) as count from transaction where kind = 1 and status = 1',
  )
  assert(Number(payments) >= Number(rows[0]?.count), 'the batches of both servers, added up')
  assert.deepEqual(await standing(), { wanted: 2, ready: 2 })
})

test('connections go round, and those of a server that dies are closed at once', async () => {
  const before = await serverPids()
  const visits = await openVisits(service.api, 6)
  const closed = () => visits.filter((visit) => visit.isClosed()).length
  signalProcess(before[0]!, 'SIGKILL')
  await until('its connections are closed', () => closed() === 3)
  for (const visit of visits) visit.close()
  await untilReplaced(before[0]!)
})

test('a connection on its way to a server that dies is closed, too', async () => {
  const [victim = 0] = await serverPids()
  signalProcess(victim, 'SIGSTOP')
  const visits = await Promise.all([openVisits(service.api, 1, 0), openVisits(service.api, 1, 0)])
  const [one, other] = visits.flat()
  await until('one of two is answered', () => one!.answers() + other!.answers() === 1)
  const held = one!.answers() === 0 ? one! : other!
  assert(!held.isClosed())
  signalProcess(victim, 'SIGKILL')
  await until('the other one is closed', () => held.isClosed())
  for (const visit of visits.flat()) visit.close()
  await untilReplaced(victim)
})

test('servers that are killed while callers retry lose and double nothing', async (t) => {
  const callers = await Promise.all([signUp(service.api), signUp(service.api)])
  await Promise.all(callers.map(async (one) => await fund(service.api, one, 20_000n)))
  const ids = callers.map(({ userId }) => userId)
  const made = await countTransactions(database.pool, ids)
  const began = performance.now()
  const calm = new AbortController()
  const killed: number[] = []
  const killing = (async () => {
    while (!calm.signal.aborted) {
      await delay(100)
      if ((await standing()).ready < 2) continue
      const [victim] = await serverPids()
      if (victim === undefined) continue
      signalProcess(victim, 'SIGKILL')
      killed.push(victim)
    }
  })()
  const paying = Array.from({ length: 8 }, async (_, index) => {
    const [from, to] = [callers[index % 2]!, callers[(index + 1) % 2]!]
    const heard: Heard[] = []
    for (let number = 0; number < 10 || killed.length < 3; number += 1) {
      const move = { ...payment(from, to, BigInt(1 + (number % 10))), patienceMs: 20_000 }
      heard.push(await insist(async () => await tryMove(service.api, move, began)))
      await delay(50)
    }
    return heard
  })
  const outcomes = await Promise.allSettled(paying)
  calm.abort()
  await killing
  const heard = outcomes.flatMap((one) => {
    return one.status === 'fulfilled' ? one.value : assert.fail(String(one.reason))
  })
  t.diagnostic(`${heard.length} payments while ${killed.length} servers were killed`)
  await assertHeardIsTrue(database.pool, heard, made)
  await assertBooks(database.pool)
})

test('new servers that cannot start leave the old ones in their places', async () => {
  await until('both serve', async () => (await standing()).ready === 2)
  const before = await serverPids()
  const keys = join(dataDir, 'keys.json')
  const right = await readFile(keys, 'utf8')
  await writeFile(keys, '{}')
  const { code, output } = await reload()
  await writeFile(keys, right)
  assert.equal(code, 1, output)
  assert.match(output, /What is not named as new is as it was/)
  assert.deepEqual(await serverPids(), before)
  assert.equal((await ask(service.api, { method: 'GET', path: '/readyz' })).status, 200)
})

test('a reload under load fails no request, not even by a connection that breaks', async (t) => {
  const before = [...(await serverPids()), ...(await pidsOf(/processes\/main\.ts worker$/))]
  const path = `/v1/user/${ann.name}`
  const made = async () => (await countTransactions(database.pool, [ann.userId])).get(ann.userId)
  const madeBefore = Number(await made())
  const done = new AbortController()
  let [answers, payments] = [0, 0]
  const wrong: string[] = []
  const asking = Array.from({ length: 12 }, async (_, index) => {
    const pays = index % 4 === 3
    const next = (): Ask =>
      pays ? moveAsk(payment(ann, bob, 1n)) : { method: 'GET', path, token: ann.token }
    while (!done.signal.aborted) {
      const visits = await openVisits(service.api, 1, 0)
      const [visit] = visits
      try {
        // Some ask at once, and some leave their connection idle in between.
        while (!done.signal.aborted && !visit!.mustClose()) {
          const status = await visit!.ask(next())
          answers += 1
          if (pays) payments += 1
          // Of reads there may be too many for one caller; each payment is the only attempt at it.
          if (status !== 200 && (pays || status !== 429)) wrong.push(String(status))
          await delay(20 + index * 40)
        }
      } catch (error) {
        wrong.push(String(error))
      }
      visit!.close()
    }
  })
  const { code, output } = await reload()
  done.abort()
  await Promise.all(asking)
  t.diagnostic(`${answers} answers meanwhile, ${payments} of them to payments`)
  assert.equal(code, 0, output)
  assert.deepEqual(wrong, [])
  assert.equal(await made(), madeBefore + payments)
  await assertBooks(database.pool)
  await until('the old ones are gone', async () => {
    const now = [...(await serverPids()), ...(await pidsOf(/processes\/main\.ts worker$/))]
    return now.length === 3 && now.every((pid) => !before.includes(pid))
  })
})

test('a stop ends all processes in time, and so does the death of the first', async () => {
  const all = await pidsOf(/./)
  assert(all.length >= 5)
  const asked = performance.now()
  assert.equal(await service.stop(), 0)
  assert(performance.now() - asked < 5_500)
  await until('all are gone', () => !all.some(isAlive))

  service.start()
  await service.ready()
  const again = await pidsOf(/./)
  process.kill(service.pid(), 'SIGKILL')
  await until('all are gone', () => !again.some(isAlive))
  await assertBooks(database.pool)
})

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

const program = fileURLToPath(new URL('../../src/bin/farthing.ts', import.meta.url))

async function reload(): Promise<Readonly<{ code: number; output: string }>> {
  const env = { PATH: process.env['PATH'], DATA_DIR: dataDir }
  return await new Promise((resolve) => {
    execFile(process.execPath, [program, 'reload'], { env }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code), output: stdout + stderr })
    })
  })
}
