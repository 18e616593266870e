import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { decodeProtectedHeader } from 'jose'
import { makeJwk } from '../kit/auth.ts'
import { openApp } from './kit/app.ts'
import type { App } from './kit/app.ts'
import { firstKey, openProvider } from './kit/provider.ts'
import type { Customer, OpenProvider } from './kit/provider.ts'
import { openVisitor } from './kit/visitor.ts'

let provider: OpenProvider
let ada: Customer
let web: App
before(async () => {
  provider = await openProvider()
  ada = await provider.customer()
  web = await openApp(provider)
})
after(async () => await provider.close())

async function published(): Promise<readonly Record<string, unknown>[]> {
  const answer = await fetch(`${provider.issuer}/jwks`)
  return ((await answer.json()) as { keys: Record<string, unknown>[] }).keys
}

async function statusOf(token: string): Promise<number> {
  return (await provider.house.caller(token).ask('GET', `/v1/user/${ada.id}`)).status
}

const kidOf = (token: string) => decodeProtectedHeader(token).kid

async function restartWith(keys: Parameters<OpenProvider['trust']>[0]): Promise<void> {
  await provider.stop()
  await provider.start(keys)
}

test('keys are published whole, but for what is private', async () => {
  const keys = await published()
  assert.equal(keys.length, 1)
  const { x, y } = firstKey
  const { kid, kty, crv, use, alg, ...rest } = keys[0] ?? {}
  assert.deepEqual(
    { kid, kty, crv, use, alg },
    {
      kid: 'first',
      kty: 'EC',
      crv: 'P-256',
      use: 'sig',
      alg: 'ES256',
    },
  )
  assert.deepEqual(rest, { x, y })
})

test('a key is changed while people are signed in, and nobody notices', async () => {
  const visitor = openVisitor(provider.issuer)
  const second = makeJwk('second')
  const old = await web.signIn(visitor, ada)

  // It is announced at the end of the list, where it verifies and signs nothing yet.
  provider.trust([firstKey, second])
  await restartWith([firstKey, second])
  assert.deepEqual(
    (await published()).map(({ kid }) => kid),
    ['first', 'second'],
  )
  const announced = await web.refresh(old.refresh_token ?? '')
  assert.equal(kidOf(announced.access_token), 'first')

  // Then it signs, and what the one before has signed still opens.
  await restartWith([second, firstKey])
  const fresh = await web.refresh(announced.refresh_token ?? '')
  assert.equal(kidOf(fresh.access_token), 'second')
  assert.equal(kidOf(fresh.id_token ?? ''), 'second')
  const both = await Promise.all(
    [announced, fresh].map(({ access_token }) => statusOf(access_token)),
  )
  assert.deepEqual(both, [200, 200])
  const { body } = await provider.house.stranger.ask<{ accessToken: string }>(
    'POST',
    '/v1/session',
    { login: ada.email, password: ada.password },
  )
  assert.equal(kidOf(body.accessToken), 'second')

  // At last the old one leaves, and what it has signed with it.
  provider.trust([second])
  await restartWith([second])
  assert.equal(await statusOf(announced.access_token), 401)
  assert.equal(await statusOf(fresh.access_token), 200)
  await web.refresh(fresh.refresh_token ?? '')
})

test('after a restart everyone is still signed in, in browsers too', async () => {
  const visitor = openVisitor(provider.issuer)
  const tokens = await web.signIn(visitor, ada)
  const half = await visitor.open((await web.begin({ prompt: 'login' })).url)
  await restartWith([firstKey])
  await web.refresh(tokens.refresh_token ?? '')
  const begun = await web.begin({ prompt: 'none' })
  await web.finish(begun, (await visitor.open(begun.url)).url)
  const typed = { login: ada.email, password: ada.password }
  assert((await visitor.submit(half, typed, '/password')).url.searchParams.has('code'))
})
