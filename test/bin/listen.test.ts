import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:net'
import type { AddressInfo, Server } from 'node:net'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { freePorts } from '../../src/bin/listen.ts'
import { startRefused } from '../kit/refused.ts'

const host = '127.0.0.1'

async function occupy(): Promise<Readonly<{ server: Server; port: number }>> {
  const server = createServer()
  server.listen({ host, port: 0 })
  await once(server, 'listening')
  return { server, port: (server.address() as AddressInfo).port }
}

test('a port is waited for that processes of a killed start are about to leave', async () => {
  const { server, port } = await occupy()
  const found = freePorts(host, { PORT: port, AUTH_PORT: 0 })
  await delay(300)
  server.close()
  const { PORT, AUTH_PORT } = await found
  assert.equal(PORT, port)
  assert.notEqual(AUTH_PORT, port)
})

test('a port that stays taken is refused, with what to do', async () => {
  const { server, port } = await occupy()
  const words = new RegExp(`Port ${port} is taken by another program.*set AUTH_PORT to another`)
  await startRefused(freePorts(host, { AUTH_PORT: port }), words)
  server.close()
})
