import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { decodeJwt, decodeProtectedHeader } from 'jose'
import * as openid from 'openid-client'
import { discover, openApp, refused } from './kit/app.ts'
import { job, openProvider } from './kit/provider.ts'
import type { OpenProvider } from './kit/provider.ts'

let provider: OpenProvider
let nightly: openid.Configuration
before(async () => {
  provider = await openProvider()
  nightly = await discover(provider.issuer, job.id, job.secret)
})
after(async () => await provider.close())

test('a service signs itself in, and its token speaks for nobody else', async () => {
  const tokens = await openid.clientCredentialsGrant(nightly, { scope: 'staff:read' })
  assert.equal(tokens.refresh_token, undefined)
  assert.equal(tokens.id_token, undefined)
  assert.equal(decodeProtectedHeader(tokens.access_token).typ, 'at+jwt')
  const { iat = 0, exp = 0, jti, ...claims } = decodeJwt(tokens.access_token)
  assert(jti !== undefined)
  assert.equal(exp - iat, 300)
  assert.deepEqual(claims, {
    iss: provider.issuer,
    aud: 'http://localhost:8080',
    sub: job.id,
    client_id: job.id,
    scope: 'staff:read',
  })
})

test('a service gets no scope that is not its own', async () => {
  const wide = await openid.clientCredentialsGrant(nightly, {
    scope: 'staff:read staff:write payments:write openid',
  })
  assert.equal(decodeJwt(wide.access_token)['scope'], 'staff:read')
  const unasked = await openid.clientCredentialsGrant(nightly)
  assert.equal(decodeJwt(unasked.access_token)['scope'], undefined)
})

test('a service without its secret gets nothing', async () => {
  const guessed = await discover(provider.issuer, job.id, `${job.secret}!`)
  await refused(openid.clientCredentialsGrant(guessed), 'invalid_client')
  const silent = await discover(provider.issuer, job.id)
  await refused(openid.clientCredentialsGrant(silent), 'invalid_client')
})

type Ways = Readonly<{ token_endpoint_auth_methods_supported: readonly string[] }>

test('a secret is taken from the header alone, and discovery says so', async () => {
  const told = await fetch(`${provider.issuer}/.well-known/openid-configuration`)
  const { token_endpoint_auth_methods_supported: ways } = (await told.json()) as Ways
  assert.deepEqual(ways, ['none', 'client_secret_basic'])
  const { id, secret } = job
  const body = { grant_type: 'client_credentials', client_id: id, client_secret: secret }
  const ask = { method: 'POST', body: new URLSearchParams(body) }
  const answer = await fetch(`${provider.issuer}/token`, ask)
  assert.equal(((await answer.json()) as { error: string }).error, 'invalid_client')
})

test('an app is no service, and a service asks nobody to sign in', async () => {
  const web = await openApp(provider)
  await refused(openid.clientCredentialsGrant(web.config), 'invalid_request')
  const begun = await (await openApp(provider, { id: job.id, secret: job.secret })).begin()
  const answer = await fetch(begun.url, { redirect: 'manual' })
  assert.equal(answer.status, 400)
})

test('a service reaches no other API with its token', async () => {
  const elsewhere = openid.clientCredentialsGrant(nightly, {
    resource: 'https://elsewhere.example',
  })
  await refused(elsewhere, 'invalid_target')
})
