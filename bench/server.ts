import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { readTokenKeys } from '../src/token-keys.ts'
import { createIssuer } from '../src/auth/tokens.ts'
import { readConfig } from '../src/config.ts'
import { newId, printId } from '../src/ids/ids.ts'
import type { UserId } from '../src/ids/ids.ts'
import { loadKeys } from '../src/keys.ts'
import { customerScopes } from '../src/scopes.ts'
import { systemClock } from '../src/time.ts'
import type { Customer } from './load/clients.ts'

const READY_WITHIN_MS = 30_000
const READY_POLL_MS = 100
/** Longer than any run. */
const TOKEN_TTL_SECONDS = 3_600

const farthing = fileURLToPath(new URL('../bin/farthing', import.meta.url))

/** `farthing serve` and the auth layer, with everything on but the requests per caller. */
export type Server = Readonly<{
  pid: number
  port: number
  /** Signs access tokens as the server would, without a password each. */
  signIn: (users: readonly UserId[]) => Promise<readonly Customer[]>
  stop: () => Promise<void>
}>

export async function startServer(world: Readonly<{ url: string; dir: string }>): Promise<Server> {
  const [port, opsPort, authPort] = [await freePort(), await freePort(), await freePort()]
  const settings = {
    DATABASE_URL: world.url,
    DATA_DIR: world.dir,
    PORT: String(port),
    OPS_PORT: String(opsPort),
    AUTH_PORT: String(authPort),
    RATE_LIMITS: 'off',
  }
  const config = readConfig(settings)
  const keys = readTokenKeys((await loadKeys(config)).tokenKeys)
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
  await Promise.race([untilReady(port), refuseEnd(ended)])
  await Promise.race([untilReady(authPort), refuseEnd(bothEnded)])
  const names = { issuer: config.auth.url, audience: config.publicUrl }
  const ttlSeconds = TOKEN_TTL_SECONDS
  const issueToken = createIssuer({ keys, ...names, ttlSeconds, clock: systemClock })
  return {
    pid: child.pid ?? Number.NaN,
    port,
    signIn: async (users) =>
      await Promise.all(
        users.map(async (userId) => {
          const { accessToken } = await issueToken({
            userId,
            sessionId: newId('sess'),
            clientId: 'bench',
            scopes: customerScopes,
            authenticatedAt: systemClock.now(),
            methods: ['pwd'],
            roles: [],
          })
          return { id: printId('user', userId), token: accessToken }
        }),
      ),
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

async function freePort(): Promise<number> {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}
