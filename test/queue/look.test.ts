import assert from 'node:assert/strict'
import { channel } from 'node:diagnostics_channel'
import { after, afterEach, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import { printJobs } from '../../src/bin/work/print.ts'
import { addJob, addJobs } from '../../src/queue/jobs.ts'
import { countJobs, findJobState, readJobs, retryJobs } from '../../src/queue/look.ts'
import { watchJobs } from '../../src/queue/watch.ts'
import { after as later, HOUR, systemClock } from '../../src/time.ts'
import { until } from '../kit/until.ts'
import { payload, startQueueWorld } from './kit/world.ts'
import type { QueueWorld } from './kit/world.ts'

let world: QueueWorld
before(async () => {
  world = await startQueueWorld()
})
afterEach(async () => await world.clear())
after(async () => await world.end())

const none = { parked: 0, failed: 0, running: 0, waiting: 0 }
const quiet = (): void => undefined

test('operators see what waits, runs, failed and is parked, and why, and no payload', async () => {
  const release = Promise.withResolvers<void>()
  world.start(async ({ transactionId }) => {
    if (transactionId === 'runs') await release.promise
    else throw new Error(`no ${transactionId}\u001b[31m\n, and \u202ethat is that`)
  })
  const once = { maxAttempts: 1 }
  const runAt = later(systemClock.now(), HOUR)
  await addJob(world.pool, 'settle-instruction', payload('parks'), { key: 'k-parks', ...once })
  await addJob(world.pool, 'settle-instruction', payload('fails'), {})
  await addJob(world.pool, 'settle-instruction', payload('waits'), { runAt })
  await until('both failed', async () => {
    const { parked, failed } = await countJobs(world.pool)
    return parked + failed === 2
  })
  await addJob(world.pool, 'settle-instruction', payload('runs'), {})
  const all = { parked: 1, failed: 1, running: 1, waiting: 1 }
  await until('one runs', async () => (await countJobs(world.pool)).running === 1)
  assert.deepEqual(await countJobs(world.pool), all)

  const shown = printJobs(all, await readJobs(world.pool, 20))
  assert.match(shown, /^Jobs: 1 parked, 1 failed, 1 running, 1 waiting\.\n\nparked: /)
  assert.match(
    shown,
    /settle-instruction {2}1\/1 .* k-parks {2}no parks \[31m , and that is that\n/,
  )
  assert.match(shown, /\n {2}\d+ {2}settle-instruction {2}1\/25 .* no fails/)
  assert(!shown.includes('payerId') && !shown.includes('waits"'), 'no payload is shown')
  release.resolve()
})

test('who watches the queue hears what is parked, and that it no longer is', async () => {
  const told: unknown[] = []
  const hear = (counts: unknown): void => void told.push(counts)
  const jobs = channel('farthing:queue.jobs')
  jobs.subscribe(hear)
  const looking = watchJobs(world.pool, 20)
  let isBroken = true
  world.start(async () => await (isBroken ? Promise.reject(new Error('no')) : Promise.resolve()))
  await addJob(world.pool, 'settle-instruction', payload('parks'), { maxAttempts: 1 })
  const says = (parked: number) => async (): Promise<boolean> => {
    told.length = 0
    await sleep(100)
    return isDeepStrictEqual(told.at(-1), { ...none, parked })
  }
  await until('it is told', says(1))
  isBroken = false
  await retryJobs(world.pool, { jobId: null, name: null }, 10, quiet)
  await until('none is told', says(0))
  await looking.stop()
  jobs.unsubscribe(hear)
  told.length = 0
  await sleep(100)
  assert.deepEqual(told, [])
})

test('a list is short, and says how many more there are', async () => {
  await addJobs(
    world.pool,
    Array.from({ length: 30 }, (_, n) => ({
      name: 'settle-instruction' as const,
      payload: payload(String(n)),
      when: { runAt: later(systemClock.now(), HOUR) },
    })),
  )
  const jobs = await readJobs(world.pool, 20)
  assert.equal(jobs.length, 20)
  const shown = printJobs(await countJobs(world.pool), jobs)
  assert.match(shown, /\n {2}… and 10 more$/)
  assert.match(shown, /^Jobs: 0 parked, 0 failed, 0 running, 30 waiting\.\n\nwaiting: /)
})

test('a parked job that is retried runs again, with all its attempts', async () => {
  let broken = true
  const ran: string[] = []
  world.start(async ({ transactionId }) => {
    if (broken) throw new Error('broken')
    ran.push(transactionId)
  })
  for (const name of ['1', '2', '3']) {
    await addJob(world.pool, 'settle-instruction', payload(name), { maxAttempts: 1 })
  }
  await until('all are parked', async () => (await countJobs(world.pool)).parked === 3)
  broken = false
  const [first] = await readJobs(world.pool, 1)
  const jobId = first?.jobId ?? assert.fail()
  assert.equal(await retryJobs(world.pool, { jobId, name: null }, 10, quiet), 1)
  await until('it ran', () => ran.length === 1)
  await until('it is gone', async () => (await findJobState(world.pool, jobId)) === null)
  assert.equal(await retryJobs(world.pool, { jobId, name: null }, 10, quiet), 0)
  assert.equal(await retryJobs(world.pool, { jobId: null, name: 'audit' }, 10, quiet), 0)
  assert.equal(await retryJobs(world.pool, { jobId: null, name: null }, 1, quiet), 2)
  await until('all ran', () => ran.length === 3)
})

test('a job that runs, or waits for its time, is left alone', async () => {
  const release = Promise.withResolvers<void>()
  let runs = 0
  world.start(async () => {
    runs += 1
    await release.promise
  })
  await addJob(world.pool, 'settle-instruction', payload('runs'), { maxAttempts: 1 })
  await until('it runs', () => runs === 1)
  const runAt = later(systemClock.now(), HOUR)
  await addJob(world.pool, 'settle-instruction', payload('waits'), { runAt })
  assert.equal(await retryJobs(world.pool, { jobId: null, name: null }, 10, quiet), 0)
  const [running] = await readJobs(world.pool, 10)
  const which = { jobId: running?.jobId ?? assert.fail(), name: null }
  assert.equal(await retryJobs(world.pool, which, 10, quiet), 0)
  await sleep(500)
  assert.equal(runs, 1)
  release.resolve()
  await until('only the other one is left', async () => {
    const counts = await countJobs(world.pool)
    return counts.running === 0 && counts.waiting === 1
  })
  assert.deepEqual({ ...(await countJobs(world.pool)), waiting: 0 }, none)
})
