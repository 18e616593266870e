import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { startEmbedded, type Embedded } from '../../src/db/embedded.ts'
import { openPool } from '../../src/db/pool.ts'
import { addJob, addJobs } from '../../src/queue/jobs.ts'
import { migrateQueue } from '../../src/queue/schema.ts'
import { calm, nextCommit, startProxy } from '../chaos/kit/proxy.ts'
import { until } from '../kit/until.ts'
import { payload, startQueueWorld } from './kit/world.ts'
import type { QueueWorld } from './kit/world.ts'

let world: QueueWorld
before(async () => {
  world = await startQueueWorld()
})
afterEach(async () => await world.clear())
after(async () => await world.end())

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
  const runner = world.start(async ({ transactionId }) => {
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
  const proxy = await startProxy(world.url)
  t.after(async () => await proxy.close())
  const running = new Set<string>()
  const ran: string[] = []
  let away = false
  world.start(
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
    await addJob(world.pool, 'settle-instruction', payload(name), {})
  }
  await until('they ran', () => ran.length === 3)
  proxy.open()
  await addJob(world.pool, 'settle-instruction', payload('after'), {})
  await until('the queue goes on', () => ran.includes('after'), 20_000)
  await until('nothing is left', async () => (await world.waitingJobs()) === 0, 30_000)
  assert.deepEqual(new Set(ran), new Set(['one', 'two', 'long', 'after']))
})

test('no job is lost when its answer is', async (t) => {
  const proxy = await startProxy(world.url)
  t.after(async () => await proxy.close())
  let joined = 0
  // Somewhere in all that is said: in questions, in answers, and in between.
  const upset = (): boolean => joined < 24
  proxy.plan({ ...calm, bytes: () => (upset() ? 600 + 241 * (joined += 1) : null) })
  const ran = new Set<string>()
  world.start(async ({ transactionId }) => void ran.add(transactionId), proxy.url)
  let added = 0
  while (upset()) {
    await addJob(world.pool, 'settle-instruction', payload(String((added += 1))), {})
    await sleep(20)
  }
  await until('nothing is left', async () => (await world.waitingJobs()) === 0, 30_000)
  assert.equal(ran.size, added)
  assert(proxy.faults() >= 6, `only ${proxy.faults()} connections were cut`)
})

test('jobs go on when the network fell silent, also those that ran', async (t) => {
  const proxy = await startProxy(world.url)
  t.after(async () => await proxy.close())
  const ran: string[] = []
  world.start(async ({ transactionId }) => {
    if (ran.length === 0) proxy.hush()
    ran.push(transactionId)
  }, proxy.url)
  await addJob(world.pool, 'settle-instruction', payload('one'), {})
  await until('it runs', () => ran.length === 1)
  await addJob(world.pool, 'settle-instruction', payload('two'), {})
  await sleep(1_000)
  proxy.open()
  await until('nothing is left', async () => (await world.waitingJobs()) === 0, 60_000)
  assert(ran.includes('two'))
})

test('a runner that ends before LISTEN is answered takes nobody with it', async (t) => {
  const proxy = await startProxy(world.url)
  t.after(async () => await proxy.close())
  proxy.plan(nextCommit('stall-after', /^listen/i))
  const runner = world.start(async () => undefined, proxy.url)
  await until('LISTEN is not answered', () => proxy.silent() === 1)
  // A rejection that nobody hears would fail the test, here or in a later turn of the event loop.
  await runner.stop()
  const ran: string[] = []
  world.start(async ({ transactionId }) => void ran.push(transactionId), proxy.url)
  await addJob(world.pool, 'settle-instruction', payload('next'), {})
  await until('the next one works', () => ran.includes('next'))
})

test('a stop while it connects is a stop', async (t) => {
  const proxy = await startProxy(world.url)
  t.after(async () => await proxy.close())
  proxy.hush()
  const ran: string[] = []
  const runner = world.start(async ({ transactionId }) => void ran.push(transactionId), proxy.url)
  await until('it connects', () => proxy.silent() === 1)
  await addJob(world.pool, 'settle-instruction', payload('1'), {})
  await runner.stop()
  proxy.open()
  proxy.release()
  await sleep(2_000)
  assert.deepEqual(ran, [])
})

test('a stop while it asks its first question is a stop', async (t) => {
  const proxy = await startProxy(world.url)
  t.after(async () => await proxy.close())
  proxy.plan(nextCommit('stall-after', /^select current_setting/i))
  const ran: string[] = []
  const runner = world.start(async ({ transactionId }) => void ran.push(transactionId), proxy.url)
  await until('it waits for an answer', () => proxy.silent() === 1)
  await addJob(world.pool, 'settle-instruction', payload('1'), {})
  await runner.stop()
  proxy.release()
  await sleep(1_000)
  assert.deepEqual(ran, [])
})

test('the jobs of a runner are its own, although it cannot free those of a dead one', async () => {
  await addJob(world.pool, 'settle-instruction', payload('dead'), {})
  await world.pool.query(
    `update graphile_worker._private_jobs
     set locked_by = 'pool-dead', locked_at = now() - interval '1 minute'`,
  )
  const other = await world.pool.lend()
  await other.query('begin')
  await other.query('select 1 from graphile_worker._private_jobs for update')
  const ran: string[] = []
  world.start(async () => {
    ran.push('first')
    await sleep(8_000)
  })
  await addJob(world.pool, 'settle-instruction', payload('live'), {})
  await until('it runs', () => ran.length === 1)
  world.start(async ({ transactionId }) => void ran.push(transactionId))
  await sleep(7_000)
  assert.deepEqual(ran, ['first'])
  await other.query('rollback')
  other.giveBack()
  await until('the dead one’s job runs', () => ran.includes('dead') || ran.length > 1)
})

test('when the end of one job cannot be noted, those beside it may finish', async (t) => {
  const drop = async () => await world.pool.query('drop function if exists forget cascade')
  t.after(drop)
  await world.pool.query(`
    create function forget() returns trigger language plpgsql as
      $$ begin raise 'cannot be noted'; end $$;
    create trigger forget before delete on graphile_worker._private_jobs
      for each row when (old.payload->>'transactionId' = 'quick') execute function forget()`)
  const ran: string[] = []
  world.start(async ({ transactionId }) => {
    ran.push(transactionId)
    await until('both run', () => ran.length >= 2)
    if (transactionId === 'slow') await sleep(1_000)
    else if (ran.length > 2) await drop()
  })
  await addJob(world.pool, 'settle-instruction', payload('slow'), {})
  await addJob(world.pool, 'settle-instruction', payload('quick'), {})
  await until('nothing is left', async () => (await world.waitingJobs()) === 0)
  assert.deepEqual(ran.toSorted(), ['quick', 'quick', 'slow'])
})
