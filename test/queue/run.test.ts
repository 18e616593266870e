import assert from 'node:assert/strict'
import { after, afterEach, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { inTransaction } from '../../src/db/tx.ts'
import { AppError } from '../../src/errors.ts'
import { addJob, addJobs, findLivingKeys } from '../../src/queue/jobs.ts'
import type { Jobs } from '../../src/queue/jobs.ts'
import { after as later, SECOND, systemClock } from '../../src/time.ts'
import { refusedAs } from '../kit/refused.ts'
import { until } from '../kit/until.ts'
import { payload, startQueueWorld } from './kit/world.ts'
import type { QueueWorld } from './kit/world.ts'

let world: QueueWorld
before(async () => {
  world = await startQueueWorld()
})
afterEach(async () => await world.clear())
after(async () => await world.end())

type Settle = Jobs['settle-instruction']

test('a job runs with its payload, and is gone', async () => {
  const ran: Settle[] = []
  world.start(async (job) => void ran.push(job))
  await addJob(world.pool, 'settle-instruction', payload('1'), {})
  await until('it ran', () => ran.length > 0)
  assert.deepEqual(ran, [payload('1')])
  await until('it is gone', async () => (await world.waitingJobs()) === 0)
})

test('a job of a transaction that rolled back never runs', async () => {
  const ran: string[] = []
  world.start(async ({ transactionId }) => void ran.push(transactionId))
  const refused = inTransaction(
    world.pool,
    async (tx) => {
      await addJob(tx, 'settle-instruction', payload('never'), {})
      throw new AppError('amount_invalid')
    },
    { lockTimeoutMs: 1_000 },
  )
  await refusedAs('amount_invalid', refused)
  await addJob(world.pool, 'settle-instruction', payload('always'), {})
  await until('the other job ran', () => ran.includes('always'))
  assert.deepEqual(ran, ['always'])
})

test('a job that fails is tried again, later', async () => {
  let attempts = 0
  world.start(async () => {
    attempts += 1
    if (attempts === 1) throw new Error('not yet')
  })
  const started = performance.now()
  await addJob(world.pool, 'settle-instruction', payload('1'), {})
  await until('it ran twice', () => attempts === 2)
  assert(performance.now() - started > 1_000, 'it waits before it tries again')
  await until('it is gone', async () => (await world.waitingJobs()) === 0)
})

test('a job that used up its attempts stays, with its error, and is not run again', async () => {
  let attempts = 0
  world.start(async () => {
    attempts += 1
    throw new Error('never')
  })
  await addJob(world.pool, 'settle-instruction', payload('1'), { maxAttempts: 1 })
  const parked = async () =>
    await world.pool.query(
      `select from graphile_worker.jobs
       where attempts = max_attempts and last_error = 'never' and locked_at is null`,
    )
  await until('it is parked', async () => (await parked()).rowCount === 1)
  await sleep(1_500)
  assert.equal(attempts, 1)
})

test('many jobs are added by one statement, each at its time, one for each key', async () => {
  const ran: string[] = []
  world.start(async ({ transactionId }) => void ran.push(transactionId))
  const runAt = later(systemClock.now(), 2n * SECOND)
  await addJobs(world.pool, [
    { name: 'settle-instruction', payload: payload('soon'), when: {} },
    { name: 'settle-instruction', payload: payload('replaced'), when: { runAt, key: 'k' } },
    { name: 'audit', payload: {}, when: {} },
  ])
  await addJob(world.pool, 'settle-instruction', payload('later'), { runAt, key: 'k' })
  await until('the first ran', () => ran.length === 1)
  await until('the later ran', () => ran.length === 2)
  assert(systemClock.now() >= runAt)
  assert.deepEqual(ran, ['soon', 'later'])
})

test('a stop lets a running job finish, and takes no new one', async () => {
  const ran: string[] = []
  const runner = world.start(async ({ transactionId }) => {
    ran.push(`${transactionId} begins`)
    await sleep(500)
    ran.push(`${transactionId} ends`)
  })
  await addJob(world.pool, 'settle-instruction', payload('1'), {})
  await until('it runs', () => ran.length === 1)
  await runner.stop()
  assert.deepEqual(ran, ['1 begins', '1 ends'])
  await addJob(world.pool, 'settle-instruction', payload('2'), {})
  await sleep(1_500)
  assert.equal(ran.length, 2)
})

test('a stop does not wait for a job that hangs, and the job runs again', async () => {
  const runner = world.start(async () => await sleep(60_000, undefined, { ref: false }))
  await addJob(world.pool, 'settle-instruction', payload('1'), {})
  await until('it runs', async () => (await world.lockedJobs()) === 1)
  const started = performance.now()
  await runner.stop()
  assert(performance.now() - started < 5_000)
  const { rows } = await world.pool.query<{ attempts: number; free: boolean }>(
    'select attempts, locked_at is null as free from graphile_worker.jobs',
  )
  assert.deepEqual(rows, [{ attempts: 0, free: true }], 'and has its attempt back')
  let again = 0
  world.start(async () => void (again += 1))
  await until('it runs again', () => again === 1)
})

test('the jobs of a runner that died are free again within seconds', async () => {
  // What a process leaves that was killed in the middle of a job.
  await addJob(world.pool, 'settle-instruction', payload('1'), {})
  await world.pool.query(
    `update graphile_worker._private_jobs
     set locked_by = 'pool-dead', locked_at = now(), attempts = 1`,
  )
  const ran: string[] = []
  world.start(async ({ transactionId }) => void ran.push(transactionId))
  await until('it ran', () => ran.length === 1)
})

test('the jobs of a runner that lives stay its own', async () => {
  const ran: string[] = []
  world.start(async () => {
    ran.push('first')
    await sleep(12_000)
  })
  await addJob(world.pool, 'settle-instruction', payload('1'), {})
  await until('it runs', () => ran.length === 1)
  world.start(async () => void ran.push('second'))
  await sleep(11_000)
  assert.deepEqual(ran, ['first'])
})

test('an error that the database cannot store is one like others', async () => {
  world.start(async () => {
    throw new Error(`550 go \0 away \ud800 ${'!'.repeat(10_000)}`)
  })
  await addJob(world.pool, 'settle-instruction', payload('1'), {})
  const error = await until('it is noted', async () => {
    const { rows } = await world.pool.query<{ last_error: string | null }>(
      'select last_error from graphile_worker.jobs',
    )
    return rows[0]?.last_error
  })
  assert.match(error, /^550 go {3}away \ufffd !{900,1000}$/)
})

test('a job that runs lives, and one that is parked does not', async () => {
  const release = Promise.withResolvers<void>()
  world.start(async () => await release.promise)
  const last = { maxAttempts: 1 }
  await addJob(world.pool, 'settle-instruction', payload('1'), { key: 'runs', ...last })
  await addJob(world.pool, 'settle-instruction', payload('2'), { key: 'parked', ...last })
  await until('they run', async () => (await world.lockedJobs()) === 2)
  await world.pool.query(
    `update graphile_worker._private_jobs set locked_by = null, locked_at = null
     where key = 'parked'`,
  )
  assert.deepEqual(await findLivingKeys(world.pool, ['runs', 'parked', 'other']), new Set(['runs']))
  release.resolve()
  await until('the one is gone', async () => (await world.lockedJobs()) === 0)
})

test('an attempt that takes too long has failed, and the job runs again', async () => {
  let attempts = 0
  const runner = world.start(
    async () => {
      attempts += 1
      if (attempts === 1) await sleep(30_000, undefined, { ref: false })
    },
    world.url,
    1,
    300,
  )
  await addJob(world.pool, 'settle-instruction', payload('1'), {})
  const why = await until('it has failed', async () => {
    const { rows } = await world.pool.query<{ last_error: string | null }>(
      'select last_error from graphile_worker.jobs',
    )
    return rows[0]?.last_error
  })
  assert.equal(why, 'It took longer than 300 ms')
  await until('it ran again, in the only place', () => attempts === 2)
  await until('it is gone', async () => (await world.waitingJobs()) === 0)
  await runner.stop()
})
