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
