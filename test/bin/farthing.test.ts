import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { ownPort } from '../kit/port.ts'

const program = fileURLToPath(new URL('../../src/bin/farthing.ts', import.meta.url))
const READY_MS = 40_000

let dir: string
let port: number
before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'farthing-bin-'))
  port = await ownPort()
})
after(async () => await rm(dir, { recursive: true, force: true }))

type Settings = Readonly<Record<string, string>>

/** A farthing process, with all that it printed so far. */
function farthing(command: string, settings: Settings = {}) {
  const child = spawn(process.execPath, [program, command], {
    env: {
      PATH: process.env['PATH'],
      DATA_DIR: dir,
      PORT: String(port),
      OPS_PORT: '0',
      AUTH_PORT: '0',
      SANDBOX_SETTLE_MS: '100',
      ...settings,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  const collect = (chunk: Buffer): void => {
    output += chunk.toString()
  }
  child.stdout.on('data', collect)
  child.stderr.on('data', collect)
  const exited = once(child, 'close') as Promise<[number | null]>
  return { child, exited, output: () => output }
}

type Farthing = ReturnType<typeof farthing>

async function untilPrinted(running: Farthing, words: RegExp): Promise<void> {
  const deadline = performance.now() + READY_MS
  while (!words.test(running.output())) {
    assert(running.child.exitCode === null, `it ended:\n${running.output()}`)
    assert(performance.now() < deadline, `it never printed ${words}:\n${running.output()}`)
    await sleep(20)
  }
}

const STOPPED_MS = 5_000
/** Beside other tests one stop may take longer; not each. */
const STOPS_MAX = 3

async function stopped(child: ChildProcess, exited: Promise<[number | null]>): Promise<number> {
  const started = performance.now()
  child.kill('SIGTERM')
  const [code] = await exited
  assert.equal(code, 0)
  return performance.now() - started
}

async function ready(): Promise<number> {
  const answer = await fetch(`http://127.0.0.1:${port}/readyz`).catch(() => null)
  return answer?.status ?? 0
}

const seeded = /alice .* \$1,000\.00 .*\n.*bob .* \$250\.00 /

test('start prints the address and two demo users with money, and stops in time', async () => {
  const running = farthing('start')
  await untilPrinted(running, seeded)
  assert(running.output().includes(`http://localhost:${port}/docs`))
  assert.equal(await ready(), 200)

  const second = farthing('start')
  assert.deepEqual(await second.exited, [1, null])
  assert.match(second.output(), /^The data directory .* is in use by process \d+\..*\n$/)

  const audit = farthing('audit')
  assert.deepEqual(await audit.exited, [0, null], audit.output())
  assert.match(audit.output(), /The books are right/)

  let ms = await stopped(running.child, running.exited)
  for (let stops = 1; ms >= STOPPED_MS && stops < STOPS_MAX; stops += 1) {
    const next = farthing('start')
    await untilPrinted(next, seeded)
    ms = Math.min(ms, await stopped(next.child, next.exited))
  }
  assert(ms < STOPPED_MS, `it stopped after ${ms} ms at best`)
})

test('a data directory that cannot be made is refused in one sentence', async () => {
  const refused = farthing('start', { DATA_DIR: '/dev/null/farthing' })
  assert.deepEqual(await refused.exited, [1, null])
  assert.match(refused.output(), /^The data directory .* cannot be made or used \(ENOTDIR\)\..*\n$/)
})

test('a demo user signs in with the password that is printed', async () => {
  const running = farthing('start')
  await untilPrinted(running, seeded)
  const password = /password "([^"]+)"/.exec(running.output())?.[1]
  const answer = await fetch(`http://127.0.0.1:${port}/v1/session`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ login: 'alice', password }),
  })
  assert.equal(answer.status, 200)
  await stopped(running.child, running.exited)
})

test('killed while it makes the demo users, it finishes them at the next start', async () => {
  const fresh = join(dir, 'fresh')
  for (const delayMs of [0, 150, 400]) {
    const running = farthing('start', { DATA_DIR: fresh })
    await untilPrinted(running, /is ready/)
    await sleep(delayMs)
    running.child.kill('SIGKILL')
    await running.exited
  }
  const running = farthing('start', { DATA_DIR: fresh })
  await untilPrinted(running, seeded)
  await stopped(running.child, running.exited)
  const audit = farthing('audit', { DATA_DIR: fresh })
  assert.deepEqual(await audit.exited, [0, null], audit.output())
})

test('when PostgreSQL is killed it is ready again without a restart', async () => {
  const running = farthing('start')
  await untilPrinted(running, seeded)
  const lockFile = await readFile(join(dir, 'postgres', 'cluster', 'postmaster.pid'), 'utf8')
  process.kill(Number(lockFile.split('\n')[0]), 'SIGKILL')
  const deadline = performance.now() + READY_MS
  await sleep(700) // readiness is looked up twice a second
  while ((await ready()) !== 200) {
    assert(performance.now() < deadline, running.output())
    await sleep(100)
  }
  await stopped(running.child, running.exited)
})

test('a port that is taken is told in a sentence', async () => {
  const thief = createServer().listen(port, '127.0.0.1')
  await once(thief, 'listening')
  const running = farthing('start')
  assert.deepEqual(await running.exited, [1, null])
  assert.equal(
    running.output(),
    `Port ${port} is taken by another program. Stop that program, or set PORT to another port.\n`,
  )
  thief.close()
})

test('a wrong setting is told in a sentence, before anything is started', async () => {
  const running = farthing('start', { FARTHING_ENV: 'prod' })
  assert.deepEqual(await running.exited, [1, null])
  assert.match(running.output(), /^The configuration is not right: FARTHING_ENV must be .*\n$/)
})

test('started by npm, it stops when npm is gone', async () => {
  // What npm does: a shell of its own between it and us.
  const script = `sh -c '"${process.execPath}" "${program}" start; true'; true`
  const npm = spawn('sh', ['-c', script], {
    env: {
      PATH: process.env['PATH'],
      DATA_DIR: dir,
      PORT: String(port),
      OPS_PORT: '0',
      AUTH_PORT: '0',
      npm_lifecycle_event: 'start',
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  npm.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()))
  const deadline = performance.now() + READY_MS
  while (!seeded.test(output)) {
    assert(performance.now() < deadline, output)
    await sleep(50)
  }
  npm.kill('SIGKILL')
  while ((await ready()) !== 0) {
    assert(performance.now() < deadline + READY_MS, 'it still serves')
    await sleep(100)
  }
})

test('commands that need a database say when there is none', async () => {
  const audit = farthing('audit', { DATA_DIR: join(dir, 'nothing') })
  assert.deepEqual(await audit.exited, [1, null])
  assert.match(audit.output(), /There is no database in .*nothing yet/)
})

test('a database that cannot be reached is told in a sentence', async () => {
  const away = { DATABASE_URL: 'postgres://user:secret@127.0.0.1:1/nothing' }
  const running = farthing('start', away)
  assert.deepEqual(await running.exited, [1, null])
  assert.match(running.output(), /^The database cannot be reached: .*ECONNREFUSED.*\n$/)
  assert(!running.output().includes('secret'))
})

test('an unknown command gets the usage and exit code 2', async () => {
  const running = farthing('nonsense')
  assert.deepEqual(await running.exited, [2, null])
  assert.match(running.output(), /There is no command nonsense\.[^]*farthing <command>/)
  const help = farthing('help')
  assert.deepEqual(await help.exited, [0, null])
})
