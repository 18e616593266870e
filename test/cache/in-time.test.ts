import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { test } from 'node:test'
import { inTime } from '../../src/cache/in-time.ts'

const WAITS_MS = 20

test('a process that was itself late hears the answers that are there', async () => {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const near = connect((server.address() as AddressInfo).port, '127.0.0.1')
  const [far] = (await once(server, 'connection')) as [Socket]
  const heard = inTime(once(near, 'data'), WAITS_MS)
  far.write('here')
  // Nobody runs meanwhile, as on a machine that has no processor to spare.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 3 * WAITS_MS)
  assert.equal(String((await heard)[0]), 'here')
  near.destroy()
  server.close()
})

test('what does not come in time is given up', async () => {
  await assert.rejects(inTime(new Promise(() => undefined), WAITS_MS), /no answer in time/)
})
