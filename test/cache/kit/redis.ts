import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createClient } from '@redis/client'
import { component } from '../../kit/components.ts'
import { ownPort } from '../../kit/port.ts'
import { until } from '../../kit/until.ts'

/** Null where there is none: what needs it is skipped, and says why. */
export const redis = component('redis')

export type TestRedis = Readonly<{
  port: number
  url: string
  /** Any command, on a connection of its own. */
  ask: (...command: readonly string[]) => Promise<unknown>
  kill: () => Promise<void>
  /** After `kill`: another process at the same port, and nothing in it. */
  start: () => Promise<void>
  pause: () => void
  resume: () => void
  stop: () => Promise<void>
}>

/** A Redis of the test's own, which keeps nothing on the disk. */
export async function startRedis(...more: readonly string[]): Promise<TestRedis> {
  return await startRedisAt(await ownPort(), more)
}

export async function startRedisAt(port: number, more: readonly string[]): Promise<TestRedis> {
  const there = component('redis')
  if (there.missing !== null) throw new Error(there.missing)
  const { program } = there
  const dir = await mkdtemp(join(tmpdir(), 'farthing-redis-'))
  const url = `redis://127.0.0.1:${port}`
  const settings = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--dir', dir]
  let child: ChildProcess | null = null

  async function start(): Promise<void> {
    child = spawn(program, [...settings, ...more], { stdio: 'ignore' })
    await until('Redis listens', async () => await listens(port))
  }

  async function kill(): Promise<void> {
    const one = child
    child = null
    if (one?.exitCode !== null) return
    one.kill('SIGCONT')
    one.kill('SIGKILL')
    await once(one, 'exit')
  }

  await start()
  return {
    port,
    url,
    ask: async (...command) => await ask(url, command),
    kill,
    start,
    pause: () => child?.kill('SIGSTOP'),
    resume: () => child?.kill('SIGCONT'),
    stop: async () => {
      await kill()
      await rm(dir, { recursive: true, force: true })
    },
  }
}

async function ask(url: string, command: readonly string[]): Promise<unknown> {
  const client = createClient({ url, RESP: 2, socket: { reconnectStrategy: false } })
  client.on('error', () => undefined)
  await client.connect()
  try {
    return await client.sendCommand([...command])
  } finally {
    client.destroy()
  }
}

async function listens(port: number): Promise<boolean> {
  return await new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('error', () => resolve(false))
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
  })
}

export type TestSentinel = Readonly<{
  address: string
  ask: TestRedis['ask']
  stop: () => Promise<void>
}>

/** One Sentinel alone, which finds a master dead within half a second. */
export async function startSentinel(master: TestRedis): Promise<TestSentinel> {
  const port = await ownPort()
  const dir = await mkdtemp(join(tmpdir(), 'farthing-sentinel-'))
  const file = join(dir, 'sentinel.conf')
  const lines = [
    `port ${port}`,
    'bind 127.0.0.1',
    `dir ${dir}`,
    `sentinel monitor farthing 127.0.0.1 ${master.port} 1`,
    'sentinel down-after-milliseconds farthing 500',
    'sentinel failover-timeout farthing 2000',
  ]
  await writeFile(file, `${lines.join('\n')}\n`)
  const child = spawn('/usr/bin/redis-sentinel', [file], { stdio: 'ignore' })
  await until('the Sentinel listens', async () => await listens(port))
  return {
    address: `127.0.0.1:${port}`,
    ask: async (...command) => await ask(`redis://127.0.0.1:${port}`, command),
    stop: async () => {
      if (child.exitCode === null) {
        child.kill('SIGKILL')
        await once(child, 'exit')
      }
      await rm(dir, { recursive: true, force: true })
    },
  }
}
