import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { decodeJwt, decodeProtectedHeader } from 'jose'
import * as openid from 'openid-client'
import { openApp, refused, signInOn } from './kit/app.ts'
import type { App, Begun } from './kit/app.ts'
import { openProvider, shop } from './kit/provider.ts'
import type { Customer, OpenProvider } from './kit/provider.ts'
import { isDenied, sessionsOf } from './kit/rows.ts'
import { openVisitor } from './kit/visitor.ts'

let provider: OpenProvider
let web: App
let ada: Customer
before(async () => {
  provider = await openProvider()
  web = await openApp(provider)
  ada = await provider.customer()
})
after(async () => await provider.close())

/** A code that was not traded yet. */
async function codeFor(customer: Customer): Promise<Readonly<{ begun: Begun; back: URL }>> {
  const visitor = openVisitor(provider.issuer)
  const begun = await web.begin()
  const page = await signInOn(visitor, await visitor.open(begun.url), customer)
  assert(page.url.searchParams.has('code'), page.url.href)
  return { begun, back: page.url }
}

/** Trades a code by hand, so that anything about it may be wrong. */
async function trade(fields: Readonly<Record<string, string>>) {
  const answer = await fetch(`${provider.issuer}/token`, {
    method: 'POST',
    body: new URLSearchParams({ client_id: 'web', grant_type: 'authorization_code', ...fields }),
  })
  const body = (await answer.json()) as { error?: string; access_token?: string }
  return { status: answer.status, ...body }
}

test('discovery offers what is meant to be offered, and nothing beside it', () => {
  const told = web.config.serverMetadata()
  assert.equal(told.issuer, provider.issuer)
  assert.deepEqual(told.response_types_supported, ['code'])
  assert.deepEqual(told.code_challenge_methods_supported, ['S256'])
  assert.deepEqual(told.id_token_signing_alg_values_supported, ['ES256'])
  assert.deepEqual(told.grant_types_supported?.toSorted(), [
    'authorization_code',
    'client_credentials',
    'refresh_token',
    'urn:ietf:params:oauth:grant-type:device_code',
  ])
  assert.equal(told.registration_endpoint, undefined)
  assert.equal(told.introspection_endpoint, undefined)
  assert.equal(told.authorization_response_iss_parameter_supported, true)
})

test('whoever signs in comes back with a code, and its token opens the API', async () => {
  const tokens = await web.signIn(openVisitor(provider.issuer), ada)
  const { caller } = provider.house
  assert.equal((await caller(tokens.access_token).ask('GET', `/v1/user/${ada.id}`)).status, 200)
  assert.equal((await caller(tokens.id_token ?? '').ask('GET', `/v1/user/${ada.id}`)).status, 401)
  const claims = tokens.claims()
  assert.equal(claims?.sub, ada.id)
  assert.equal(claims?.['email'], ada.email)
  assert.equal(claims?.['email_verified'], false)
})

test('its access token looks like the one that POST /v1/session gives', async () => {
  const tokens = await web.signIn(openVisitor(provider.issuer), ada)
  const { body } = await provider.house.stranger.ask<{ accessToken: string }>(
    'POST',
    '/v1/session',
    { login: ada.email, password: ada.password },
  )
  assert.deepEqual(shapeOf(tokens.access_token), shapeOf(body.accessToken))
})

/** What tokens of one kind have in common. */
function shapeOf(token: string) {
  const { iat = 0, exp = 0, ...claims } = decodeJwt(token)
  const names = Object.keys(claims).toSorted()
  const { iss, aud, sub, amr } = claims
  return { header: decodeProtectedHeader(token), names, lives: exp - iat, iss, aud, sub, amr }
}

test('a code works once; whoever brings it again ends what came of it', async () => {
  const { begun, back } = await codeFor(ada)
  const tokens = await web.finish(begun, back)
  await refused(web.finish(begun, back), 'invalid_grant')
  await refused(web.refresh(tokens.refresh_token ?? ''), 'invalid_grant')
  assert(await isDenied(provider.house, decodeJwt(tokens.access_token)['sid']))
})

test('of those who bring one code together at most one gets tokens, and they end', async () => {
  for (const together of [2, 2, 3, 8]) {
    const bob = await provider.customer()
    const { begun, back } = await codeFor(bob)
    const tries = Array.from({ length: together }, async () => await web.finish(begun, back))
    const all = await Promise.allSettled(tries)
    const lost = all.flatMap((one) => (one.status === 'rejected' ? [one.reason as unknown] : []))
    assert(lost.length >= together - 1, `${together - lost.length} got tokens`)
    for (const reason of lost) await refused(Promise.reject(reason), 'invalid_grant')
    const sessions = await sessionsOf(provider.house, bob.id)
    assert.deepEqual(
      sessions.map(({ ended }) => ended),
      [true],
      `${together} together`,
    )
  }
})

test('a code is nothing without the verifier that its app kept', async () => {
  const { back } = await codeFor(ada)
  const code = back.searchParams.get('code') ?? ''
  const whole = { code, redirect_uri: `${provider.webUrl}/signed-in` }
  assert.equal((await trade(whole)).error, 'invalid_grant')
  const code_verifier = openid.randomPKCECodeVerifier()
  assert.equal((await trade({ ...whole, code_verifier })).error, 'invalid_grant')
})

test('a code is bound to its app and its redirect URI', async () => {
  const { begun, back } = await codeFor(ada)
  const code = back.searchParams.get('code') ?? ''
  const right = {
    code,
    code_verifier: begun.verifier,
    redirect_uri: `${provider.webUrl}/signed-in`,
  }
  const other = { ...right, client_id: shop.id }
  const silent = { ...right, redirect_uri: `${provider.webUrl}/signed-in-silently` }
  assert.equal((await trade(other)).error, 'invalid_grant')
  assert.equal((await trade(silent)).error, 'invalid_grant')
  assert.equal((await trade(right)).status, 200)
})

test('a request without a challenge, or with a plain one, is sent back', async () => {
  const visitor = openVisitor(provider.issuer)
  const { url, verifier } = await web.begin()
  const without = new URL(url)
  without.searchParams.delete('code_challenge')
  without.searchParams.delete('code_challenge_method')
  const plain = new URL(url)
  plain.searchParams.set('code_challenge_method', 'plain')
  plain.searchParams.set('code_challenge', verifier)
  const unnamed = new URL(url)
  unnamed.searchParams.delete('code_challenge_method')
  for (const wrong of [without, plain, unnamed]) {
    const page = await visitor.open(wrong)
    assert.equal(page.url.searchParams.get('error'), 'invalid_request', wrong.href)
    assert.equal(page.url.searchParams.get('code'), null)
  }
})

test('nobody is sent to an address that is not registered to the letter', async () => {
  const visitor = openVisitor(provider.issuer)
  const { url } = await web.begin()
  const wrong = [
    `${provider.webUrl}/signed-in/`,
    `${provider.webUrl}/signed-in?x=1`,
    `${provider.webUrl}/signed-in/../elsewhere`,
    `${provider.webUrl}/SIGNED-IN`,
    `${provider.webUrl}.evil.example/signed-in`,
    provider.webUrl.replace('://', '://evil.example@') + '/signed-in',
    'https://evil.example/signed-in',
    shop.redirectUri,
    'javascript:alert(1)',
  ]
  for (const uri of wrong) {
    const changed = new URL(url)
    changed.searchParams.set('redirect_uri', uri)
    const page = await visitor.open(changed)
    assert.equal(page.status, 400, `${uri} led to ${page.url.href}`)
    assert.equal(page.url.origin, provider.issuer)
    assert.doesNotMatch(page.html, /evil|alert/)
  }
})

test('other ways to ask are refused: implicit, hybrid, by password', async () => {
  const visitor = openVisitor(provider.issuer)
  const { url } = await web.begin()
  for (const type of ['token', 'id_token', 'id_token token', 'code id_token', 'none']) {
    const changed = new URL(url)
    changed.searchParams.set('response_type', type)
    const page = await visitor.open(changed)
    assert.match(page.url.href, /error=(unsupported_response_type|invalid_request)/, type)
    assert.doesNotMatch(page.url.href, /[?#&](code|access_token|id_token)=/)
  }
  const byPassword = { grant_type: 'password', username: ada.email, password: ada.password }
  assert.equal((await trade(byPassword)).error, 'unsupported_grant_type')
})

test('an app gets the scopes that are its own, for the API alone', async () => {
  const visitor = openVisitor(provider.issuer)
  const tokens = await web.signIn(visitor, ada, { scope: 'openid user:read staff:write' })
  assert.equal(decodeJwt(tokens.access_token)['scope'], 'user:read')
  const { url } = await web.begin({ resource: 'https://elsewhere.example' })
  const page = await visitor.open(url)
  assert.equal(page.url.searchParams.get('error'), 'invalid_target')
})

test('what comes back names who sent it, and which request it answers', async () => {
  const { begun, back } = await codeFor(ada)
  assert.equal(back.searchParams.get('iss'), provider.issuer)
  assert.equal(back.searchParams.get('state'), begun.state)
})
