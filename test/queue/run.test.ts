import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { startEmbedded, type Embedded } from '../../src/db/embedded.ts'
import { openPool } from '../../src/db/pool.ts'
import { inTransaction } from '../../src/db/tx.ts'
import { AppError } from '../../src/errors.ts'
import { addJob, addJobs, findLivingKeys } from '../../src/queue/jobs.ts'
import type { Handlers, Jobs } from '../../src/queue/jobs.ts'
import { type JobRunner, runJobs } from '../../src/queue/run.ts'
import { migrateQueue } from '../../src/queue/schema.ts'
import { after as later, SECOND, systemClock } from '../../src/time.ts'
import { type FreshDatabase, freshDatabase } from '../kit/database.ts'
import { calm, nextCommit, startProxy } from '../chaos/kit/proxy.ts'
import { refusedAs } from '../kit/refused.ts'
import { until } from '../kit/until.ts'

let db: FreshDatabase
const runners: JobRunner[] = []
before(async () => {
  db = await freshDatabase()
})
afterEach(async () => {
  for (const runner of runners.splice(0)) await runner.stop()
  await db.pool.query('delete from graphile_worker._private_jobs')
})
after(async () => await db.drop())

type Settle = Jobs['settle-instruction']

const nothing = async (): Promise<void> => undefined

const idle: Handlers = {
  'send-message': nothing,
  'send-payment-code': nothing,
  'sweep-waiting': nothing,
  'submit-instruction': nothing,
  'settle-instruction': nothing,
  'expire-verification': nothing,
  'send-micro-entries': nothing,
  audit: nothing,
  'erase-old-numbers': nothing,
}

function start(
  settle: (payload: Settle) => Promise<void>,
  databaseUrl = db.url,
  concurrency = 2,
): JobRunner {
  const handlers = { ...idle, 'settle-instruction': settle }
  const runner = runJobs({ databaseUrl, handlers, concurrency })
  runners.push(runner)
  return runner
}

async function waitingJobs(): Promise<number> {
  return (await db.pool.query('select from graphile_worker.jobs')).rowCount ?? 0
}

const payload = (transactionId: string): Settle => ({ payerId: 'p', transactionId })

test('a job runs with its payload, and is gone', async () => {
  const ran: Settle[] = []
  start(async (job) => void ran.push(job))
  await addJob(db.pool, 'settle-instruction', payload('1'), {})
  await until('it ran', () => ran.length > 0)
  assert.deepEqual(ran, [payload('1')])
  await until('it is gone', async () => (await waitingJobs()) === 0)
})

test('a job of a transaction that rolled back never runs', async () => {
  const ran: string[] = []
  start(async ({ transactionId }) => void ran.push(transactionId))
  const refused = inTransaction(
    db.pool,
    async (tx) => {
      await addJob(tx, 'settle-instruction', payload('never'), {})
      throw new AppError('amount_invalid')
    },
    { lockTimeoutMs: 1_000 },
  )
  await refusedAs('amount_invalid', refused)
  await addJob(db.pool, 'settle-instruction', payload('always'), {})
  await until('the other job ran', () => ran.includes('always'))
  assert.deepEqual(ran, ['always'])
})

test('a job that fails is tried again, later', async () => {
  let attempts = 0
  start(async () => {
    attempts += 1
    if (attempts === 1) throw new Error('not yet')
  })
  const started = performance.now()
  await addJob(db.pool, 'settle-instruction', payload('1'), {})
  await until('it ran twice', () => attempts === 2)
  assert(performance.now() - started > 1_000, 'it waits before it tries again')
  await until('it is gone', async () => (await waitingJobs()) === 0)
})

test('a job that used up its attempts stays, with its error, and is not run again', async () => {
  let attempts = 0
  start(async () => {
    attempts += 1
    throw new Error('never')
  })
  await addJob(db.pool, 'settle-instruction', payload('1'), { maxAttempts: 1 })
  const parked = async () =>
    await db.pool.query(
      `select from graphile_worker.jobs
       where attempts = max_attempts and last_error = 'never' and locked_at is null`,
    )
  await until('it is parked', async () => (await parked()).rowCount === 1)
  await sleep(1_500)
  assert.equal(attempts, 1)
})

test('many jobs are added by one statement, each at its time, one for each key', async () => {
  const ran: string[] = []
  start(async ({ transactionId }) => void ran.push(transactionId))
  const runAt = later(systemClock.now(), 2n * SECOND)
  await addJobs(db.pool, [
    { name: 'settle-instruction', payload: payload('soon'), when: {} },
    { name: 'settle-instruction', payload: payload('replaced'), when: { runAt, key: 'k' } },
    { name: 'audit', payload: {}, when: {} },
  ])
  await addJob(db.pool, 'settle-instruction', payload('later'), { runAt, key: 'k' })
  await until('the first ran', () => ran.length === 1)
  await until('the later ran', () => ran.length === 2)
  assert(systemClock.now() >= runAt)
  assert.deepEqual(ran, ['soon', 'later'])
})

test('a stop lets a running job finish, and takes no new one', async () => {
  const ran: string[] = []
  const runner = start(async ({ transactionId }) => {
    ran.push(`${transactionId} begins`)
    await sleep(500)
    ran.push(`${transactionId} ends`)
  })
  await addJob(db.pool, 'settle-instruction', payload('1'), {})
  await until('it runs', () => ran.length === 1)
  await runner.stop()
  assert.deepEqual(ran, ['1 begins', '1 ends'])
  await addJob(db.pool, 'settle-instruction', payload('2'), {})
  await sleep(1_500)
  assert.equal(ran.length, 2)
})

test('a stop does not wait for a job that hangs, and the job runs again', async () => {
  const runner = start(async () => await sleep(60_000, undefined, { ref: false }))
  await addJob(db.pool, 'settle-instruction', payload('1'), {})
  await until('it runs', async () => (await lockedJobs()) === 1)
  const started = performance.now()
  await runner.stop()
  assert(performance.now() - started < 5_000)
  let again = 0
  start(async () => void (again += 1))
  await until('it runs again', () => again === 1)
})

test('the jobs of a runner that died are free again within seconds', async () => {
  // What a process leaves that was killed in the middle of a job.
  await addJob(db.pool, 'settle-instruction', payload('1'), {})
  await db.pool.query(
    `update graphile_worker._private_jobs
     set locked_by = 'pool-dead', locked_at = now(), attempts = 1`,
  )
  const ran: string[] = []
  start(async ({ transactionId }) => void ran.push(transactionId))
  await until('it ran', () => ran.length === 1)
})

test('the jobs of a runner that lives stay its own', async () => {
  const ran: string[] = []
  start(async () => {
    ran.push('first')
    await sleep(12_000)
  })
  await addJob(db.pool, 'settle-instruction', payload('1'), {})
  await until('it runs', () => ran.length === 1)
  start(async () => void ran.push('second'))
  await sleep(11_000)
  assert.deepEqual(ran, ['first'])
})

async function lockedJobs(): Promise<number> {
  const locked = 'select from graphile_worker.jobs where locked_at is not null'
  return (await db.pool.query(locked)).rowCount ?? 0
}

/** Its backends outlive it for a moment, and may have taken a statement after it was gone. */
async function killPostmaster({ pid }: Pick<Embedded, 'pid'>): Promise<void> {
  const postmaster = await pid()
  if (postmaster === null) return
  try {
    process.kill(postmaster, 'SIGKILL')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

test('jobs go on by themselves when the database was killed', { timeout: 90_000 }, async () => {
  const dir = await mkdtemp(join(tmpdir(), 'farthing-queue-'))
  const embedded = await startEmbedded({ dir })
  await migrateQueue(embedded.url)
  const pool = openPool({
    url: embedded.url,
    max: 2,
    statementTimeoutMs: 2_000,
    applicationName: 'farthing test',
  })
  const ran = new Set<string>()
  const runner = start(async ({ transactionId }) => {
    await sleep(50) // so that a kill meets jobs that run
    ran.add(transactionId)
  }, embedded.url)

  for (let kills = 0; kills < 3; kills += 1) {
    const names = Array.from({ length: 10 }, (_, n) => `${kills}-${n}`)
    await until('jobs were added', async () => {
      const jobs = names.map(
        (name) =>
          ({ name: 'settle-instruction', payload: payload(name), when: { key: name } }) as const,
      )
      return await addJobs(pool, jobs).then(
        () => true,
        () => false,
      )
    })
    await sleep(100)
    await killPostmaster(embedded)
  }
  await until('all ran', () => ran.size === 30)
  await runner.stop()
  await pool.end()
  await embedded.stop()
  await rm(dir, { recursive: true })
})

test('jobs go on when two of them end while the database is away', async (t) => {
  const proxy = await startProxy(db.url)
  t.after(async () => await proxy.close())
  const running = new Set<string>()
  const ran: string[] = []
  let away = false
  start(
    async ({ transactionId }) => {
      running.add(transactionId)
      if (running.size < 3) await until('all three run', () => running.size === 3)
      if (!away) proxy.shut()
      away = true
      // One is still at it when its runner is gone, with the connections on which it would tell.
      if (transactionId === 'long') await sleep(4_000)
      ran.push(transactionId)
    },
    proxy.url,
    3,
  )
  for (const name of ['one', 'two', 'long']) {
    await addJob(db.pool, 'settle-instruction', payload(name), {})
  }
  await until('they ran', () => ran.length === 3)
  proxy.open()
  await addJob(db.pool, 'settle-instruction', payload('after'), {})
  await until('the queue goes on', () => ran.includes('after'), 20_000)
  await until('nothing is left', async () => (await waitingJobs()) === 0, 30_000)
  assert.deepEqual(new Set(ran), new Set(['one', 'two', 'long', 'after']))
})

test('no job is lost when its answer is', async (t) => {
  const proxy = await startProxy(db.url)
  t.after(async () => await proxy.close())
  let joined = 0
  // Somewhere in all that is said: in questions, in answers, and in between.
  const upset = (): boolean => joined < 24
  proxy.plan({ ...calm, bytes: () => (upset() ? 600 + 241 * (joined += 1) : null) })
  const ran = new Set<string>()
  start(async ({ transactionId }) => void ran.add(transactionId), proxy.url)
  let added = 0
  while (upset()) {
    await addJob(db.pool, 'settle-instruction', payload(String((added += 1))), {})
    await sleep(20)
  }
  await until('nothing is left', async () => (await waitingJobs()) === 0, 30_000)
  assert.equal(ran.size, added)
  assert(proxy.faults() >= 6, `only ${proxy.faults()} connections were cut`)
})

test('jobs go on when the network fell silent, also those that ran', async (t) => {
  const proxy = await startProxy(db.url)
  t.after(async () => await proxy.close())
  const ran: string[] = []
  start(async ({ transactionId }) => {
    if (ran.length === 0) proxy.hush()
    ran.push(transactionId)
  }, proxy.url)
  await addJob(db.pool, 'settle-instruction', payload('one'), {})
  await until('it runs', () => ran.length === 1)
  await addJob(db.pool, 'settle-instruction', payload('two'), {})
  await sleep(1_000)
  proxy.open()
  await until('nothing is left', async () => (await waitingJobs()) === 0, 60_000)
  assert(ran.includes('two'))
})

test('a runner that ends before LISTEN is answered takes nobody with it', async (t) => {
  const proxy = await startProxy(db.url)
  t.after(async () => await proxy.close())
  proxy.plan(nextCommit('stall-after', /^listen/i))
  const runner = start(nothing, proxy.url)
  await until('LISTEN is not answered', () => proxy.silent() === 1)
  // A rejection that nobody hears would fail the test, here or in a later turn of the event loop.
  await runner.stop()
  const ran: string[] = []
  start(async ({ transactionId }) => void ran.push(transactionId), proxy.url)
  await addJob(db.pool, 'settle-instruction', payload('next'), {})
  await until('the next one works', () => ran.includes('next'))
})

test('a stop while it connects is a stop', async (t) => {
  const proxy = await startProxy(db.url)
  t.after(async () => await proxy.close())
  proxy.hush()
  const ran: string[] = []
  const runner = start(async ({ transactionId }) => void ran.push(transactionId), proxy.url)
  await until('it connects', () => proxy.silent() === 1)
  await addJob(db.pool, 'settle-instruction', payload('1'), {})
  await runner.stop()
  proxy.open()
  proxy.release()
  await sleep(2_000)
  assert.deepEqual(ran, [])
})

test('an error that the database cannot store is one like others', async () => {
  start(async () => {
    throw new Error(`550 go \0 away \ud800 ${'!'.repeat(10_000)}`)
  })
  await addJob(db.pool, 'settle-instruction', payload('1'), {})
  const error = await until('it is noted', async () => {
    const { rows } = await db.pool.query<{ last_error: string | null }>(
      'select last_error from graphile_worker.jobs',
    )
    return rows[0]?.last_error
  })
  assert.match(error, /^550 go {3}away \ufffd !{900,1000}$/)
})

test('when the end of one job cannot be noted, those beside it may finish', async () => {
  await db.pool.query(`
    create function forget() returns trigger language plpgsql as
      $$ begin raise 'cannot be noted'; end $$;
    create trigger forget before delete on graphile_worker._private_jobs
      for each row when (old.payload->>'transactionId' = 'quick') execute function forget()`)
  const ran: string[] = []
  start(async ({ transactionId }) => {
    ran.push(transactionId)
    await until('both run', () => ran.length >= 2)
    if (transactionId === 'slow') await sleep(1_000)
    else if (ran.length > 2) await db.pool.query('drop function forget cascade')
  })
  await addJob(db.pool, 'settle-instruction', payload('slow'), {})
  await addJob(db.pool, 'settle-instruction', payload('quick'), {})
  await until('nothing is left', async () => (await waitingJobs()) === 0)
  assert.deepEqual(ran.toSorted(), ['quick', 'quick', 'slow'])
})

test('a job that runs lives, and one that is parked does not', async () => {
  const release = Promise.withResolvers<void>()
  start(async () => await release.promise)
  const last = { maxAttempts: 1 }
  await addJob(db.pool, 'settle-instruction', payload('1'), { key: 'runs', ...last })
  await addJob(db.pool, 'settle-instruction', payload('2'), { key: 'parked', ...last })
  await until('they run', async () => (await lockedJobs()) === 2)
  await db.pool.query(
    `update graphile_worker._private_jobs set locked_by = null, locked_at = null
     where key = 'parked'`,
  )
  assert.deepEqual(await findLivingKeys(db.pool, ['runs', 'parked', 'other']), new Set(['runs']))
  release.resolve()
  await until('the one is gone', async () => (await lockedJobs()) === 0)
})
