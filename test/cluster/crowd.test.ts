import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { randomInt } from 'node:crypto'
import { rmSync } from 'node:fs'
import { createServer } from 'node:http'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { after, before, test } from 'node:test'
import { claimFolder, writeFiles } from '../../src/bin/cluster/folder.ts'
import { machineFor } from '../../src/bin/cluster/machine.ts'
import { ports } from '../../src/bin/cluster/places.ts'
import { component } from '../kit/components.ts'
import { until } from '../kit/until.ts'

/**
 * Goal: when the line for a server is long, a balancer refuses at once, and lets those through who
 * ask what became of a request.
 * Method: a balancer with the files of a cluster, and servers that answer nobody but those.
 */
const { missing } = component('cluster')
const skip = missing ?? false
const net = `127.${randomInt(100, 250)}.${randomInt(1, 250)}`
const dir = `/tmp/farthing-crowd-${net}`
const api = `http://${net}.11:${ports.api}`
/** More than four servers are sent at once, and than may wait in line for them. */
const CROWD = 1_700

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

/** Who is well, says what became of a request, and never says anything else. */
async function standIn(address: string): Promise<Server> {
  const server = createServer(({ url = '' }: IncomingMessage, response: ServerResponse) => {
    const says = url.startsWith('/v1/request/') ? 404 : 200
    if (says === 404 || url === '/readyz' || url === '/healthz') response.writeHead(says).end()
  })
  server.listen(ports.api, address)
  await once(server, 'listening')
  return server
}

test(
  'a crowd is refused at the balancer, and who asks what happened is not',
  { skip },
  async () => {
    const enough = new AbortController()
    const refused: string[] = []
    const crowd = Array.from({ length: CROWD }, async () => {
      const answer = await fetch(`${api}/v1/user/someone`, { signal: enough.signal })
      if (answer.status === 429) refused.push(await answer.text())
    })
    // The line moves after two seconds, with 503: until then all of this is heard.
    await until('some are refused', () => refused.length > 0)
    const told = await Promise.all([
      fetch(`${api}/v1/request/some-key`),
      fetch(`${api}/v1/request/some-key`, { method: 'POST' }),
      fetch(`${api}/v1/transaction`, { method: 'POST' }),
    ])
    assert.deepEqual(
      told.map(({ status }) => status),
      [404, 429, 429],
    )
    const [, , payment] = told
    assert.equal(payment?.headers.get('retry-after'), '1')
    const problem = (await payment?.json()) as Record<string, unknown>
    assert.equal(problem['code'], 'overloaded')
    assert.equal(problem['requestId'], payment?.headers.get('request-id'))
    enough.abort()
    await Promise.allSettled(crowd)
  },
)
