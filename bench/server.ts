import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { readTokenKeys } from '../src/auth/keys.ts'
import { createIssuer } from '../src/auth/tokens.ts'
import { readConfig } from '../src/config.ts'
import { newId, printId } from '../src/ids/ids.ts'
import type { UserId } from '../src/ids/ids.ts'
import { loadKeys } from '../src/keys.ts'
import { systemClock } from '../src/time.ts'
import type { Customer } from './clients.ts'

const READY_WITHIN_MS = 30_000
const READY_POLL_MS = 100
/** Longer than any run. */
const TOKEN_TTL_SECONDS = 3_600

const program = fileURLToPath(new URL('./.f-serve.ts', import.meta.url))

/** `farthing serve` as a process of its own, with everything on but the requests per caller. */
export type Server = Readonly<{
  pid: number
  port: number
  /** Signs access tokens as the server would, without a password each. */
  signIn: (users: readonly UserId[]) => Promise<readonly Customer[]>
  stop: () => Promise<void>
}>

/** @param options of node, put before the program. */
export async function startServer(
  world: Readonly<{ url: string; dir: string }>,
  options: readonly string[],
): Promise<Server> {
  const [port, opsPort] = [await freePort(), await freePort()]
  const settings = {
    DATABASE_URL: world.url,
    DATA_DIR: world.dir,
    PORT: String(port),
    OPS_PORT: String(opsPort),
    RATE_LIMITS: 'off',
  }
  const config = readConfig(settings)
  const keys = readTokenKeys((await loadKeys(config)).tokenKeys)
  const child = spawn(process.execPath, [...options, program, 'serve'], {
    env: { PATH: process.env['PATH'], ...settings },
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  const ended = once(child, 'exit')
  await untilReady(port, ended)
  const names = { issuer: config.publicUrl, audience: config.publicUrl }
  const ttlSeconds = TOKEN_TTL_SECONDS
  const issueToken = createIssuer({ keys, ...names, ttlSeconds, clock: systemClock })
  return {
    pid: child.pid ?? Number.NaN,
    port,
    signIn: async (users) =>
      await Promise.all(
        users.map(async (userId) => {
          const { accessToken } = await issueToken({ userId, sessionId: newId('sess') })
          return { id: printId('user', userId), token: accessToken }
        }),
      ),
    stop: async () => {
      child.kill('SIGTERM')
      await ended
    },
  }
}

async function untilReady(port: number, ended: Promise<unknown>): Promise<void> {
  let over = false
  void ended.then(() => (over = true))
  const deadline = performance.now() + READY_WITHIN_MS
  while (!over && performance.now() < deadline) {
    if (await isReady(port)) return
    await sleep(READY_POLL_MS)
  }
  throw new Error(over ? 'the server ended at its start' : 'the server did not become ready')
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
