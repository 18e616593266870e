import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { Client } from 'pg'
import { testServer } from './server.ts'

/** Below the ports that systems give to outgoing connections, so that a restart finds it free. */
export const PORTS = { first: 30_000, last: 31_999, sequence: 'farthing_test_port' } as const
const TRIES = 50

/** A port for a service to listen on, again and again. No other test of this run gets it. */
export async function ownPort(): Promise<number> {
  const client = new Client({ connectionString: testServer().superuserUrl })
  await client.connect()
  try {
    for (let tries = 0; tries < TRIES; tries += 1) {
      const next = `select nextval('${PORTS.sequence}')::int as port`
      const { rows } = await client.query<{ port: number }>(next)
      const port = rows[0]?.port ?? assert.fail('a sequence has a next value')
      if (await isFree(port)) return port
    }
  } finally {
    await client.end()
  }
  return assert.fail(`no free port among ${TRIES}`)
}

/** Another program may have it. */
async function isFree(port: number): Promise<boolean> {
  const server = createServer()
  const free = await new Promise<boolean>((resolve) => {
    server.once('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => resolve(true))
  })
  if (!free) return false
  server.close()
  await once(server, 'close')
  return true
}
