import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { readConfig } from '../src/config.ts'
import type { UserId } from '../src/ids/ids.ts'
import { loadKeys } from '../src/keys.ts'
import type { Customer } from './load/clients.ts'
import type { Door } from './load/connection.ts'
import { withChildren } from './processes.ts'
import { signIn } from './sign-in.ts'

const READY_WITHIN_MS = 120_000
const READY_POLL_MS = 100

const farthing = fileURLToPath(new URL('../bin/farthing', import.meta.url))

/** `farthing serve` and the auth layer, with everything on but the requests per caller. */
export type Server = Readonly<{
  pid: number
  /** Of all that share the port, and of whoever hands out connections. */
  pids: () => readonly number[]
  door: Door
  /** Where metrics are. */
  operators: string
  /** Signs access tokens as the server would, without a password each. */
  signIn: (users: readonly UserId[]) => Promise<readonly Customer[]>
  stop: () => Promise<void>
}>

export async function startServer(
  world: Readonly<{
    url: string
    dir: string
    servers?: number
    more?: Readonly<Record<string, string>>
  }>,
): Promise<Server> {
  const [port, opsPort, authPort] = [await freePort(), await freePort(), await freePort()]
  const settings = {
    DATABASE_URL: world.url,
    DATA_DIR: world.dir,
    PORT: String(port),
    OPS_PORT: String(opsPort),
    AUTH_PORT: String(authPort),
    RATE_LIMITS: 'off',
    SERVERS: String(world.servers ?? 1),
    ...world.more,
  }
  // Before the two of them, which would both make some.
  await loadKeys(readConfig(settings))
  const { PATH, NODE_OPTIONS } = process.env
  const [child, auth] = ['serve', 'auth'].map((command) =>
    spawn('sh', [farthing, command], {
      env: { PATH, NODE_OPTIONS, ...settings },
      stdio: ['ignore', 'ignore', 'inherit'],
    }),
  ) as [ChildProcess, ChildProcess]
  const ended = once(child, 'exit')
  const bothEnded = Promise.all([ended, once(auth, 'exit')])
  const end = (): void => {
    child.kill('SIGTERM')
    auth.kill('SIGTERM')
  }
  process.once('exit', end) // also when this run breaks off
  // The operators' port opens last, when all that share the other one are ready.
  await Promise.race([untilReady(opsPort), refuseEnd(ended)])
  await Promise.race([untilReady(authPort), refuseEnd(bothEnded)])
  return {
    pid: child.pid ?? Number.NaN,
    pids: () => withChildren(child.pid ?? Number.NaN),
    door: { host: '127.0.0.1', port },
    operators: `http://127.0.0.1:${opsPort}`,
    signIn: async (users) => await signIn(settings, users),
    stop: async () => {
      process.off('exit', end)
      end()
      await bothEnded
    },
  }
}

async function untilReady(port: number): Promise<void> {
  const deadline = performance.now() + READY_WITHIN_MS
  while (performance.now() < deadline) {
    if (await isReady(port)) return
    await sleep(READY_POLL_MS)
  }
  throw new Error('the server did not become ready')
}

async function refuseEnd(ended: Promise<unknown>): Promise<never> {
  await ended
  throw new Error('the server ended at its start: see above')
}

async function isReady(port: number): Promise<boolean> {
  try {
    return (await fetch(`http://127.0.0.1:${port}/readyz`)).ok
  } catch {
    return false // it does not listen yet
  }
}

export async function freePort(): Promise<number> {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}
