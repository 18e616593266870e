import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { Config } from '../../config.ts'
import { StartRefused } from '../../errors.ts'

const main = fileURLToPath(new URL('../farthing.ts', import.meta.url))
const READY_WITHIN_MS = 30_000
const STOP_WITHIN_MS = 3_500
const RESTART_FIRST_MS = 200
const RESTART_LONGEST_MS = 5_000

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
  let child = launch(first)
  const issuer = await issuerOf(child)
  // A port that was free at the first start is where it must be found ever after.
  const { port } = new URL(issuer)
  const env = config.auth.port === 0 ? { ...first, AUTH_URL: issuer, AUTH_PORT: port } : first

  async function keepAlive(): Promise<void> {
    let pauseMs = RESTART_FIRST_MS
    while (!state.stopping) {
      const [code] = (await once(child, 'exit')) as [number | null]
      if (state.stopping) return
      console.error(`The auth layer ended (${code ?? 'killed'}), and is started anew.`)
      await sleep(pauseMs)
      if (state.stopping) return
      const startedAt = performance.now()
      child = launch(env)
      await Promise.race([issuerOf(child).catch(() => undefined), once(child, 'exit')])
      const steady = performance.now() - startedAt < READY_WITHIN_MS && child.exitCode === null
      pauseMs = steady ? RESTART_FIRST_MS : Math.min(pauseMs * 2, RESTART_LONGEST_MS)
    }
  }
  void keepAlive()

  return {
    issuer,
    stop: async () => {
      state.stopping = true
      if (child.exitCode !== null || child.signalCode !== null) return
      const ended = once(child, 'exit')
      child.kill('SIGTERM')
      const alarm = sleep(STOP_WITHIN_MS, 'late' as const, { ref: false })
      if ((await Promise.race([ended, alarm])) === 'late') child.kill('SIGKILL')
    },
  }
}

function launch(settings: Readonly<Record<string, string>>): ChildProcess {
  // What npm tells its scripts is not for it: it watches us, by the channel between us.
  const { npm_lifecycle_event: _, ...env } = process.env
  return fork(main, ['auth'], {
    env: { ...env, ...settings },
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
}

async function issuerOf(child: ChildProcess): Promise<string> {
  const signal = AbortSignal.timeout(READY_WITHIN_MS)
  const ended = once(child, 'exit', { signal }).then(() => null)
  const told = once(child, 'message', { signal }) as Promise<[{ issuer: string }]>
  const first = await Promise.race([told, ended])
  void Promise.allSettled([ended, told])
  if (first === null) throw new StartRefused('The auth layer did not start: it says why above.')
  return first[0].issuer
}

/** The configuration of servers whose auth layer was found there. */
export function withAuthAt(config: Config, issuer: string): Config {
  if (config.auth.port !== 0) return config
  return { ...config, auth: { ...config.auth, url: issuer, backUrl: issuer } }
}
