import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { randomInt } from 'node:crypto'
import { rmSync } from 'node:fs'
import { createServer, request } from 'node:http'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { after, before, test } from 'node:test'
import { claimFolder, writeFiles } from '../../src/bin/cluster/folder.ts'
import { machineFor } from '../../src/bin/cluster/machine.ts'
import { ports } from '../../src/bin/cluster/places.ts'
import { component } from '../kit/components.ts'
import { until } from '../kit/until.ts'

/**
 * Goal: when the line for the servers is long, a balancer refuses at once, and only those who would
 * stand in that line: requests of another kind, and whoever asks what became of one, go through.
 * Method: a balancer with the files of a cluster, and servers that let a crowd wait.
 */
const { missing } = component('cluster')
const skip = missing ?? false
const net = `127.${randomInt(100, 250)}.${randomInt(1, 250)}`
const dir = `/tmp/farthing-crowd-${net}`
const api = `http://${net}.11:${ports.api}`
/** More than four servers are sent at once, and than may wait in line for them. */
const CROWD = 300
const WAIT = '?wait'

const servers: Server[] = []
let balancer: ChildProcess | null = null
before(async () => {
  if (skip !== false) return
  const machine = machineFor({ net, dir }, claimFolder(dir))
  await writeFiles(machine)
  for (const { address } of machine.places.server) servers.push(await standIn(address))
  const [place] = machine.places.balancer
  const [program = '', ...words] = place ? machine.processOf(place).command : []
  const started = spawn(program, words, { stdio: ['ignore', 'ignore', 'pipe'] })
  balancer = started
  let said = ''
  started.stderr.on('data', (chunk: Buffer) => {
    said += chunk.toString()
  })
  await until('a server is known to be well', async () => {
    assert.equal(started.exitCode, null, said)
    return (await fetch(`${api}/healthz`).catch(() => null))?.status === 200
  })
})
after(async () => {
  if (balancer?.exitCode === null) {
    balancer.kill('SIGTERM')
    await once(balancer, 'exit')
  }
  for (const server of servers) server.closeAllConnections()
  for (const server of servers) server.close()
  rmSync(dir, { recursive: true, force: true })
})

/** Answers whatever does not ask it to wait. */
async function standIn(address: string): Promise<Server> {
  const server = createServer((asked: IncomingMessage, response: ServerResponse) => {
    if (asked.url?.endsWith(WAIT) !== true) asked.resume().on('end', () => response.end())
  })
  server.listen(ports.api, address)
  await once(server, 'listening')
  return server
}

test('who is slow to send a body takes no place at a server', { skip }, async () => {
  const url = new URL(`${api}/v1/transaction`)
  const slow = Array.from({ length: CROWD }, () => {
    const sender = request(url, { method: 'POST', headers: { 'content-length': '100' } })
    sender.on('error', () => undefined) // it is cut off when all is over
    sender.write('{')
    return sender
  })
  await until('all of them are there', async () => (await connections()) >= CROWD)
  assert.equal((await fetch(url, { method: 'POST', body: '{}' })).status, 200)
  for (const sender of slow) sender.destroy()
})

/** How many customers the balancer has. */
async function connections(): Promise<number> {
  const metrics = await (await fetch(`http://${net}.11:${ports.ops}/metrics`)).text()
  return Number(/^haproxy_frontend_current_sessions\{proxy="api"\} (\d+)$/m.exec(metrics)?.[1])
}

const asks = {
  reads: { method: 'GET', path: '/v1/user/someone' },
  writes: { method: 'POST', path: '/v1/transaction' },
  inquiries: { method: 'GET', path: '/v1/request/some-key' },
  sessions: { method: 'POST', path: '/v1/session' },
}

for (const kind of ['reads', 'writes'] as const) {
  test(`a crowd of ${kind} is refused at the balancer, and nobody else`, { skip }, async () => {
    const enough = new AbortController()
    const { method, path } = asks[kind]
    const refused: Response[] = []
    const crowd = Array.from({ length: CROWD }, async () => {
      const answer = await fetch(`${api}${path}${WAIT}`, { method, signal: enough.signal })
      if (answer.status === 429) refused.push(answer)
    })
    // The line moves after two seconds, with 503: until then all of this is heard.
    await until('some are refused', () => refused.length > 0)
    const told = await Promise.all(
      Object.entries(asks).map(async ([name, ask]) => {
        return [name, (await fetch(`${api}${ask.path}`, { method: ask.method })).status] as const
      }),
    )
    const all = { reads: 200, writes: 200, inquiries: 200, sessions: 200 }
    assert.deepEqual(Object.fromEntries(told), { ...all, [kind]: 429 })
    const [first] = refused
    assert.equal(first?.headers.get('retry-after'), '1')
    const problem = (await first?.json()) as Record<string, unknown>
    assert.equal(problem['code'], 'overloaded')
    assert.equal(problem['requestId'], first?.headers.get('request-id'))
    enough.abort()
    await Promise.allSettled(crowd)
    for (const server of servers) server.closeAllConnections()
    await until('the next one is served', async () => {
      return (await fetch(`${api}${path}`, { method })).status === 200
    })
  })
}
