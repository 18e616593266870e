import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { newId } from '../../src/ids/ids.ts'
import { addJob } from '../../src/queue/jobs.ts'
import { countJobs } from '../../src/queue/look.ts'
import { type FreshDatabase, freshDatabase } from '../kit/database.ts'
import { until } from '../kit/until.ts'
import { type MailServer, startMailServer } from '../messages/mail-server.ts'

const program = fileURLToPath(new URL('../../src/bin/farthing.ts', import.meta.url))
const WORKERS = 4
/** A look for dead workers every 2 s, at jobs that are 3 s old; the rest is for a slow machine. */
const SOON_MS = 15_000

type Worker = Readonly<{ child: ChildProcess; ended: Promise<unknown[]>; operators: string }>

/** Real workers on one database. Their messages go to a mail server that says when it answers. */
let database: FreshDatabase
let dir: string
let mail: MailServer
let workers: readonly Worker[]
/** Messages that the mail server has not answered, by what they say: whose they are, and how to. */
const held = new Map<string, Readonly<{ worker: number; answer: () => void }>>()

before(async () => {
  database = await freshDatabase()
  dir = await mkdtemp(join(tmpdir(), 'farthing-workers-'))
  mail = await startMailServer(async (lines) => {
    const says = lines.at(-1) ?? ''
    const { promise, resolve } = Promise.withResolvers<void>()
    if (says.startsWith('hold')) held.set(says, { worker: senderOf(lines), answer: resolve })
    else resolve()
    await promise
    return '250 taken'
  })
  workers = await Promise.all(Array.from({ length: WORKERS }, startWorker))
})
after(async () => {
  for (const { child } of workers) child.kill('SIGKILL')
  await Promise.all(workers.map(async ({ ended }) => await ended))
  await mail.close()
  await database.drop()
  await rm(dir, { recursive: true, force: true })
})

/** Each worker sends from an address of its own. */
function senderOf(lines: readonly string[]): number {
  return Number(/^From: worker-(\d)@/m.exec(lines.join('\n'))?.[1] ?? assert.fail('from nobody'))
}

async function startWorker(_nothing: unknown, number: number): Promise<Worker> {
  const child = spawn(process.execPath, [program, 'work'], {
    env: {
      PATH: process.env['PATH'],
      DATA_DIR: dir,
      DATABASE_URL: database.url,
      SMTP_URL: mail.url,
      MAIL_FROM: `worker-${number}@example.com`,
      JOB_CONCURRENCY: '1',
      OPS_PORT: '0',
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => (output += chunk.toString()))
  }
  const ended = once(child, 'exit')
  await until('a worker works', () => {
    assert(child.exitCode === null, output)
    return output.includes('Farthing works: 1 jobs at once, here.')
  })
  const find = () => /^Metrics: (http:.*)\/metrics$/m.exec(output)?.[1]
  const operators = await until('it says where operators look', find)
  return { child, ended, operators }
}

async function send(body: string): Promise<void> {
  const to = { userId: newId('user'), channel: 'email', recipient: 'ann@example.com' } as const
  await addJob(database.pool, 'send-message', { ...to, subject: 'Hello', body }, {})
}

const received = (says: string): readonly (readonly string[])[] =>
  mail.taken.filter((lines) => lines.at(-1) === says)

const allDone = async (): Promise<boolean> => {
  const { waiting, running, failed } = await countJobs(database.pool)
  return waiting + running + failed === 0
}

test('each worker tells operators what came of its jobs, also before the first one', async () => {
  for (const { operators } of workers) {
    const metrics = await (await fetch(`${operators}/metrics`)).text()
    for (const outcome of ['done', 'failed', 'parked']) {
      const line = `farthing_jobs_total{name="audit",outcome="${outcome}"} 0`
      assert(metrics.split('\n').includes(line), metrics)
    }
    assert.equal((await fetch(`${operators}/healthz`)).status, 200)
    assert.deepEqual(await (await fetch(`${operators}/readyz`)).json(), {
      ready: true,
      checks: { database: 'ok' },
    })
  }
})

test('a worker that is killed in the middle of a job loses it to another one, soon', async () => {
  await send('hold one')
  const { worker } = await until('the mail server has it', () => held.get('hold one'))
  workers[worker]?.child.kill('SIGKILL')
  await workers[worker]?.ended
  held.delete('hold one')
  const next = await until('another one does it', () => held.get('hold one'), SOON_MS)
  assert.notEqual(next.worker, worker)
  next.answer()
  await until('it is done', allDone)
  assert.equal(received('hold one').length, 1, 'the first attempt never ended')
})

test('a worker that is told to stop ends its job, and takes no other', async () => {
  await send('hold two')
  const { worker, answer } = await until('the mail server has it', () => held.get('hold two'))
  const stopping = workers[worker] ?? assert.fail()
  stopping.child.kill('SIGTERM')
  await sleep(300)
  for (let n = 0; n < 12; n += 1) await send('at once')
  await until('the others do the rest', () => received('at once').length === 12)
  answer()
  assert.deepEqual(await stopping.ended, [0, null])
  await until('it is done', allDone)
  assert.equal(received('hold two').length, 1)
  assert(received('at once').every((lines) => senderOf(lines) !== worker))
})
