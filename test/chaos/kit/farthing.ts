import assert from 'node:assert/strict'
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { freshDatabase, type FreshDatabase } from '../../kit/database.ts'
import { ownPort } from '../../kit/port.ts'
import { until } from '../../kit/until.ts'
import { startProxy, type Proxy } from './proxy.ts'

/** The real service in processes of its own, as `npm start` runs it, at addresses that stay. */
export type Farthing = Readonly<{
  api: string
  /** Starts it when it does not run. It is not yet ready. */
  start: () => void
  ready: () => Promise<void>
  runs: () => boolean
  pid: () => number
  /** Kills it with all that it started, but for PostgreSQL, which ends by itself. */
  sigkill: () => Promise<void>
  pause: () => void
  resume: () => void
  /** How often it ended without having been killed or told to. */
  endings: () => number
  /** The end of what it printed. */
  output: () => string
  /** Asks it to stop. Returns its exit code. */
  stop: () => Promise<number | null>
}>

const root = fileURLToPath(new URL('../../..', import.meta.url))
const OUTPUT_KEPT = 20_000
const READY_WITHIN_MS = 90_000
const ALL_READY_WITHIN_MS = 240_000
const LOOK_TIMEOUT_MS = 3_000

/** Quick to sign up on, and with nothing that slows a load test. */
const settings = {
  FARTHING_ENV: 'development',
  ARGON2_MEMORY_KIB: '64',
  ARGON2_PASSES: '1',
  RATE_LIMITS: 'off',
  LIMITS: 'off',
  SANDBOX_SETTLE_MS: '300',
  TOKEN_TTL_SECONDS: '3600',
}

/** @param own Its settings beside or instead of those above; DATA_DIR at least. */
export async function createFarthing(
  own: Readonly<Record<string, string>> & Readonly<{ DATA_DIR: string }>,
): Promise<Farthing> {
  const port = await ownPort()
  const api = `http://127.0.0.1:${port}`
  const environment = {
    // One that stays: tokens name their issuer, and a restart must not make another one.
    AUTH_PORT: String(await ownPort()),
    ...settings,
    ...own,
    PORT: String(port),
    OPS_PORT: '0',
  }
  let child: ChildProcess | null = null
  let output = ''
  let endings = 0
  let asked = false

  const runs = (): boolean => child !== null && child.exitCode === null && child.signalCode === null
  const collect = (chunk: Buffer): void => {
    output = (output + chunk.toString()).slice(-OUTPUT_KEPT)
  }

  function start(): void {
    if (runs()) return
    asked = false
    const started = spawn('sh', ['bin/farthing', 'start'], {
      cwd: root,
      env: { PATH: process.env['PATH'], HOME: process.env['HOME'], ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true, // a process group of its own, to be killed as one
    })
    started.stdout.on('data', collect)
    started.stderr.on('data', collect)
    started.on('exit', () => {
      if (!asked) endings += 1
    })
    child = started
  }
  // Also when the process of the test is stopped before its time.
  process.once('exit', () => signal('SIGKILL'))

  function signal(name: NodeJS.Signals): void {
    const pid = child?.pid
    if (pid !== undefined && runs()) process.kill(-pid, name)
  }

  async function ended(): Promise<number | null> {
    if (child && runs()) await once(child, 'exit')
    return child?.exitCode ?? null
  }

  return {
    api,
    start,
    runs,
    ready: async () => {
      const found = await until(
        'the service is ready',
        async () => !runs() || (await isReady(api)),
        READY_WITHIN_MS,
      ).catch((error: unknown) => assert.fail(`${String(error)}\n${output}`))
      assert(found && runs(), `the service has ended\n${output}`)
    },
    pid: () => {
      assert(child?.pid !== undefined && runs(), `the service does not run\n${output}`)
      return child.pid
    },
    sigkill: async () => {
      asked = true
      signal('SIGCONT')
      signal('SIGKILL')
      await ended()
    },
    pause: () => signal('SIGSTOP'),
    resume: () => signal('SIGCONT'),
    endings: () => endings,
    output: () => output,
    stop: async () => {
      asked = true
      signal('SIGCONT')
      signal('SIGTERM')
      return await ended()
    },
  }
}

async function isReady(api: string): Promise<boolean> {
  try {
    const answer = await fetch(`${api}/readyz`, { signal: AbortSignal.timeout(LOOK_TIMEOUT_MS) })
    await answer.arrayBuffer()
    return answer.status === 200
  } catch {
    return false // nobody listens yet
  }
}

/** All of its processes are there: it greets whoever started it. */
export async function untilOpen(service: Farthing): Promise<void> {
  const greeted = () => !service.runs() || service.output().includes('Farthing is ready')
  await until('all of the service is ready', greeted, ALL_READY_WITHIN_MS)
  assert(service.runs(), `the service has ended\n${service.output()}`)
}

/** The service on a database of the run's server, with a proxy in between. */
export async function startBehindProxy(servers: number): Promise<
  Readonly<{
    database: FreshDatabase
    proxy: Proxy
    service: Farthing
    close: () => Promise<void>
  }>
> {
  const dataDir = await mkdtemp(join(tmpdir(), 'farthing-chaos-'))
  const database = await freshDatabase()
  const proxy = await startProxy(database.url)
  const service = await createFarthing({
    DATA_DIR: dataDir,
    DATABASE_URL: proxy.url,
    SERVERS: String(servers),
  })
  service.start()
  await service.ready()
  return {
    database,
    proxy,
    service,
    close: async () => {
      await service.sigkill()
      await proxy.close()
      await database.drop()
      await rm(dataDir, { recursive: true, force: true })
    },
  }
}

/** The embedded PostgreSQL's own process, as its lock file names it; null while there is none. */
export async function postmasterOf(dataDir: string): Promise<number | null> {
  const file = join(dataDir, 'postgres', 'cluster', 'postmaster.pid')
  const text = await readFile(file, 'utf8').catch(() => '')
  const pid = Number.parseInt(text, 10)
  return pid > 0 ? pid : null
}

/** Sends a signal to a process that may be gone. */
export function signalProcess(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error
  }
}
