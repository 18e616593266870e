import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, test } from 'node:test'
import { ownPort } from '../kit/port.ts'
import { signInOn } from './kit/app.ts'
import { openProvider } from './kit/provider.ts'
import type { OpenProvider } from './kit/provider.ts'
import { openVisitor } from './kit/visitor.ts'
import type { Way } from './kit/visitor.ts'

const issuer = 'https://auth.test'

let provider: OpenProvider
let way: Way
before(async () => {
  const port = await ownPort()
  const origin = `http://localhost:${port}`
  provider = await openProvider({
    AUTH_URL: issuer,
    AUTH_BACK_URL: origin,
    AUTH_PORT: String(port),
  })
  // As a proxy that ends TLS sends it on, for somebody who has invented addresses.
  const headers = {
    'x-forwarded-for': '6.6.6.6, 203.0.113.9',
    'x-forwarded-host': 'evil.example',
    'x-forwarded-proto': 'http',
  }
  way = { origin, headers }
})
after(async () => await provider.close())

function request(): URL {
  const url = new URL('/auth', issuer)
  const parameters = {
    client_id: 'web',
    response_type: 'code',
    redirect_uri: `${provider.webUrl}/signed-in`,
    scope: 'openid user:read',
    code_challenge: randomBytes(32).toString('base64url'),
    code_challenge_method: 'S256',
  }
  for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value)
  return url
}

test('behind a proxy that ends TLS, cookies and addresses are those of https', async () => {
  const visitor = openVisitor(issuer, way)
  const answer = await visitor.send(request())
  for (const line of answer.headers.getSetCookie()) assert.match(line, /; secure/i)
  const told = await visitor.send(`${issuer}/.well-known/openid-configuration`)
  const { token_endpoint } = (await told.json()) as { token_endpoint: string }
  assert.equal(token_endpoint, `${issuer}/token`)
})

test('the address that counts is the one that the proxy has seen', async () => {
  const ada = await provider.customer()
  const visitor = openVisitor(issuer, way)
  const page = await visitor.open(request())
  await visitor.submit(page, { login: ada.email, password: 'wrong' }, '/password')
  const back = await signInOn(visitor, page, ada)
  assert(back.url.searchParams.has('code'), back.html)
  const { pool } = provider.house.world
  const { rows } = await pool.query(
    `select distinct network from session where client_id = 'web'
     union select distinct network from auth_event where kind = 'sign_in'`,
  )
  assert.deepEqual(rows, [{ network: '203.0.113.9' }])
})
