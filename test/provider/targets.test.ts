import assert from 'node:assert/strict'
import { once } from 'node:events'
import { request } from 'node:http'
import type { IncomingMessage } from 'node:http'
import { after, before, test } from 'node:test'
import { placeOf } from '../../src/provider/door.ts'
import { openProvider } from './kit/provider.ts'
import type { OpenProvider } from './kit/provider.ts'

let provider: OpenProvider
before(async () => {
  provider = await openProvider()
})
after(async () => await provider.close())

/** Sends a target as it is, which `fetch` would tidy up. */
async function send(method: string, target: string): Promise<IncomingMessage> {
  const { hostname, port } = new URL(provider.issuer)
  const asked = request({ hostname, port, method, path: target, agent: false })
  asked.end()
  const [answer] = (await once(asked, 'response')) as [IncomingMessage]
  answer.resume()
  return answer
}

test('no link types the code of a device, however its path is written', async () => {
  const code = 'user_code=ABCD-EFGH'
  for (const path of ['/device', '/device/', '/DEVICE', '/Device/', '/device//']) {
    for (const method of ['GET', 'HEAD']) {
      const { statusCode, headers } = await send(method, `${path}?${code}`)
      assert.deepEqual([statusCode, headers.location], [303, '/device'], `${method} ${path}`)
    }
  }
  assert.equal((await send('GET', '/device')).statusCode, 200)
  assert.equal((await send('GET', '/device/')).statusCode, 200)
})

test('a target that names more than a path is refused, whoever would have read it', async () => {
  const { host } = new URL(provider.issuer)
  const targets = [
    'http://x/lost-factors',
    `${provider.issuer}/lost-factors`,
    `http://${host}/device?user_code=ABCD-EFGH`,
    '//x/lost-factors',
    '//device?user_code=ABCD-EFGH',
    '/\\x/lost-factors',
    '*',
    'device?user_code=ABCD-EFGH',
    '//',
  ]
  for (const target of targets) {
    for (const method of ['GET', 'POST', 'OPTIONS']) {
      const answer = await send(method, target)
      assert.equal(answer.statusCode, 400, `${method} ${target}`)
    }
  }
})

test('case, a last slash and empty parts say nothing of where a request goes', () => {
  const issuer = 'https://auth.test'
  for (const target of ['/device/auth', '/Device/Auth/', '/device//auth', '/x/../device/auth']) {
    assert.equal(placeOf(target, issuer)?.path, '/device/auth', target)
  }
  assert.deepEqual(placeOf('/?a=b', issuer), { path: '/', first: '', search: '?a=b' })
  assert.equal(placeOf(`/${'/'.repeat(60_000)}x`, issuer), null)
})
