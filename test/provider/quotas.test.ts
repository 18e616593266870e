import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { openProvider } from './kit/provider.ts'
import type { OpenProvider } from './kit/provider.ts'

let provider: OpenProvider
before(async () => {
  provider = await openProvider({ RATE_LIMITS: 'on' })
})
after(async () => await provider.close())

async function post(path: string, headers: Record<string, string> = {}) {
  return await fetch(`${provider.issuer}${path}`, {
    method: 'POST',
    headers: { origin: provider.issuer, ...headers },
    body: new URLSearchParams({ login: 'nobody@example.com' }),
    redirect: 'manual',
  })
}

test('a network that knocks too often is turned away before anything is done for it', async () => {
  const path = '/interaction/0123456789/password'
  const statuses = []
  for (let i = 0; i < 130; i += 1) statuses.push((await post(path)).status)
  assert.deepEqual([statuses[119], statuses[120], statuses[129]], [400, 429, 429])
  const page = await post(path, { accept: 'text/html' })
  assert.match(await page.text(), /a little too often/)
  assert.match(page.headers.get('retry-after') ?? '', /^\d+$/)
  assert.match(page.headers.get('content-security-policy') ?? '', /default-src 'none'/)

  const others = [await post('/token'), await fetch(`${provider.issuer}/jwks`)]
  assert.deepEqual(
    others.map(({ status }) => status),
    [400, 200],
    'what apps ask has a share of its own',
  )
  const servers = await post('/back/sign-in')
  assert.equal(servers.status, 404, 'and servers are not counted at all')
})

test('what leaves a row behind without a word of who asks is counted as a knock', async () => {
  const asked = ['/auth?client_id=web', '/AUTH/?client_id=web', '/auth'].map(
    async (path) => await fetch(`${provider.issuer}${path}`, { redirect: 'manual' }),
  )
  asked.push(post('/auth'), post('/device/auth'), post('/request'), post('/Lost-Factors/'))
  for (const { url, status } of await Promise.all(asked)) assert.equal(status, 429, url)
  const going = await fetch(`${provider.issuer}/auth/0123456789`)
  assert.equal(going.status, 400, 'who comes back from signing in has been counted')
})

test('an address that a caller makes up is no new network', async () => {
  for (const forwarded of ['203.0.113.7', '203.0.113.8']) {
    const answer = await post('/reset', { 'x-forwarded-for': forwarded })
    assert.equal(answer.status, 429)
  }
})
