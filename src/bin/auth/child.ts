import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { setPriority } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { Config } from '../../config.ts'
import { StartRefused } from '../../errors.ts'

const main = fileURLToPath(new URL('main.ts', import.meta.url))
/** Hashing passwords takes whole cores: on a machine shared with servers, payments go first. */
const PRIORITY = 10
const READY_WITHIN_MS = 30_000
const STOP_WITHIN_MS = 3_500
const RESTART_FIRST_MS = 200
const RESTART_LONGEST_MS = 5_000
/** Who lived for so long did not die of its start. */
const STEADY_MS = 30_000

/** The auth layer beside `farthing start`: where it is, and how it ends. */
export type AuthChild = Readonly<{ issuer: string; stop: () => Promise<void> }>

/**
 * Runs `farthing auth` as a process of its own, and starts it anew when it dies. It ends with us,
 * however we end.
 *
 * @throws StartRefused when it does not start; it has said why.
 */
export async function startAuth(
  config: Config,
  databaseUrl: string,
  toldToStop: Promise<void>,
): Promise<AuthChild> {
  const state = { stopping: false }
  // Ctrl-C reaches both of us: that it ends then is as it should be.
  void toldToStop.then(() => {
    state.stopping = true
    return null
  })
  const first = { DATABASE_URL: databaseUrl }
  let running = launch(first)
  const issuer = await running.issuer
  // A port that was free at the first start is where it must be found ever after.
  const { port } = new URL(issuer)
  const env = config.auth.port === 0 ? { ...first, AUTH_URL: issuer, AUTH_PORT: port } : first

  async function keepAlive(): Promise<void> {
    let pauseMs = RESTART_FIRST_MS
    for (;;) {
      const lived = await running.ended
      if (state.stopping) return
      console.error(`The auth layer ended (${lived.how}), and is started anew.`)
      pauseMs = lived.ms > STEADY_MS ? RESTART_FIRST_MS : Math.min(pauseMs * 2, RESTART_LONGEST_MS)
      await sleep(pauseMs)
      if (state.stopping) return
      running = launch(env)
      // Whether it came up is told by how long it lives.
      running.issuer.catch(() => undefined)
    }
  }
  void keepAlive()

  return {
    issuer,
    stop: async () => {
      state.stopping = true
      const { child, ended } = running
      child.kill('SIGTERM')
      const alarm = sleep(STOP_WITHIN_MS, 'late' as const, { ref: false })
      if ((await Promise.race([ended, alarm])) === 'late') child.kill('SIGKILL')
    },
  }
}

type Running = Readonly<{
  child: ChildProcess
  /** Where it can be found, once it can be. Rejects when it ends before, or takes too long. */
  issuer: Promise<string>
  ended: Promise<Readonly<{ how: string; ms: number }>>
}>

function launch(settings: Readonly<Record<string, string>>): Running {
  // What npm tells its scripts is not for it: it watches us, by the channel between us.
  const { npm_lifecycle_event: _, ...env } = process.env
  const startedAt = performance.now()
  const child = fork(main, ['auth'], {
    env: { ...env, ...settings },
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  // Now, before it has other threads: they take after the one that makes them, and later they
  // would keep what they have.
  if (child.pid !== undefined) setPriority(child.pid, PRIORITY)
  // Listened for from the start: it may end before anybody asks.
  const ended = new Promise<Readonly<{ how: string; ms: number }>>((resolve) => {
    const end = (how: string): void => resolve({ how, ms: performance.now() - startedAt })
    child.once('exit', (code) => end(String(code ?? 'killed')))
    child.once('error', (error) => end(error.message))
  })
  return { child, issuer: issuerOf(child, ended), ended }
}

async function issuerOf(child: ChildProcess, ended: Promise<unknown>): Promise<string> {
  const told = new Promise<string>((resolve) => {
    child.once('message', (message) => resolve((message as { issuer: string }).issuer))
  })
  const late = sleep(READY_WITHIN_MS, null, { ref: false })
  const issuer = await Promise.race([told, ended.then(() => null), late])
  if (issuer !== null) return issuer
  throw new StartRefused('The auth layer did not start: it says why above.')
}

/** The configuration of servers whose auth layer was found there. */
export function withAuthAt(config: Config, issuer: string): Config {
  if (config.auth.port !== 0) return config
  return { ...config, auth: { ...config.auth, url: issuer, backUrl: issuer } }
}
