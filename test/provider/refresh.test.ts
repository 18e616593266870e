import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { decodeJwt } from 'jose'
import * as openid from 'openid-client'
import { parseId } from '../../src/ids/ids.ts'
import { SECOND } from '../../src/time.ts'
import { discover, openApp, refused, signInOn } from './kit/app.ts'
import type { App, Tokens } from './kit/app.ts'
import { openProvider, shop } from './kit/provider.ts'
import type { Customer, OpenProvider } from './kit/provider.ts'
import { isDenied, rewrite, sessionsOf } from './kit/rows.ts'
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

const begin = async (customer: Customer): Promise<Tokens> =>
  await web.signIn(openVisitor(provider.issuer), customer)

const next = async ({ refresh_token = '' }: Tokens): Promise<Tokens> =>
  await web.refresh(refresh_token)

/** When the provider's refresh tokens of that session end, in seconds. */
async function endsOf(sid: unknown): Promise<readonly number[]> {
  const { rows } = await provider.house.world.pool.query<{ exp: number }>(
    `select (payload->'exp')::int as exp from oidc_payload
     where kind = 'RefreshToken' and grant_id like $1 || '.%'`,
    [sid],
  )
  return rows.map(({ exp }) => exp)
}

test('a refresh token is traded for another, and the end of the family stays', async () => {
  const first = await begin(ada)
  const { sid } = decodeJwt(first.access_token)
  const [session] = await sessionsOf(provider.house, ada.id)
  const inAnHour = Math.floor(Date.now() / 1_000) + 3_600
  await rewrite(provider.house, 'RefreshToken', 'exp', inAnHour)
  assert.equal(session?.used, false)
  const second = await next(first)
  assert.equal((await sessionsOf(provider.house, ada.id))[0]?.used, true)
  const third = await next(second)
  const all = [first, second, third].map(({ refresh_token }) => refresh_token)
  assert.equal(new Set(all).size, 3)
  assert.equal(decodeJwt(third.access_token)['sid'], sid)
  const ends = await endsOf(sid)
  assert.equal(ends.length, 3)
  // A second may pass between reading the clock and writing it down.
  assert(Math.max(...ends) - inAnHour <= 2, `it moved to ${ends.join()}`)
  assert.equal((await sessionsOf(provider.house, ada.id))[0]?.expires_at, session?.expires_at)
})

test('of two who refresh together one wins, the other is refused, and the family lives', async () => {
  const first = await begin(ada)
  const both = await Promise.allSettled([next(first), next(first)])
  const won = both.flatMap((one) => (one.status === 'fulfilled' ? one.value : []))
  const lost = both.flatMap((one) => (one.status === 'rejected' ? [one.reason as unknown] : []))
  assert.equal(won.length, 1)
  await refused(Promise.reject(lost[0]), 'invalid_grant')
  const [winner] = won
  assert(winner)
  await refused(next(first), 'invalid_grant')
  assert.notEqual((await next(winner)).access_token, winner.access_token)
})

/** What was written down of used refresh tokens of that session. */
async function reusesOf({ id }: Customer, sid: unknown) {
  const { rows } = await provider.house.world.pool.query(
    `select client_id as "clientId", network from auth_event
     where user_id = $1 and kind = 'refresh_reused' and facts ->> 'session' = $2`,
    [parseId('user', id), sid],
  )
  return rows
}

test('a used token that comes back later ends family, session and access token', async () => {
  const first = await begin(ada)
  const { sid } = decodeJwt(first.access_token)
  // Many, so that what is deleted together could be locked in two orders.
  let last = first
  for (let turn = 0; turn < 20; turn += 1) last = await next(last)
  assert.deepEqual(await reusesOf(ada, sid), [])
  provider.house.world.advance(11n * SECOND)
  await refused(next(first), 'invalid_grant')
  await refused(next(first), 'invalid_grant')
  assert.deepEqual(await reusesOf(ada, sid), [{ clientId: 'web', network: '127.0.0.1' }])
  await refused(next(last), 'invalid_grant')
  assert(await isDenied(provider.house, sid))
  const sessions = await sessionsOf(provider.house, ada.id)
  const mine = sessions.find(({ session_id }) => session_id === parseId('sess', String(sid)))
  assert.equal(mine?.ended, true)
  const { rows } = await provider.house.world.pool.query(
    `select kind from oidc_payload where grant_id like $1 || '.%' or id like $1 || '.%'`,
    [sid],
  )
  assert.deepEqual(rows, [])
})

test('a refresh token serves its own app only', async () => {
  const tokens = await begin(ada)
  const theirs = await discover(provider.issuer, shop.id)
  await refused(openid.refreshTokenGrant(theirs, tokens.refresh_token ?? ''), 'invalid_grant')
  await openid.tokenRevocation(theirs, tokens.refresh_token ?? '')
  assert.notEqual((await next(tokens)).refresh_token, undefined)
})

test('a refresh token may ask for less than it was given, never for more', async () => {
  const { refresh_token = '' } = await begin(ada)
  const narrow = await openid.refreshTokenGrant(web.config, refresh_token, {
    scope: 'openid user:read',
  })
  assert.equal(decodeJwt(narrow.access_token)['scope'], 'user:read')
  const wider = { scope: 'openid user:read accounts:write' }
  const again = openid.refreshTokenGrant(web.config, narrow.refresh_token ?? '', wider)
  await refused(again, 'invalid_scope')
})

test('an app that gives its refresh token back ends the session', async () => {
  const tokens = await begin(ada)
  const { sid } = decodeJwt(tokens.access_token)
  await openid.tokenRevocation(web.config, tokens.refresh_token ?? '')
  await refused(next(tokens), 'invalid_grant')
  assert(await isDenied(provider.house, sid))
})

test('a session that was ended at the API is over at the provider, in its browser too', async () => {
  const visitor = openVisitor(provider.issuer)
  const tokens = await web.signIn(visitor, ada)
  const { status } = await provider.house.caller(tokens.access_token).ask('DELETE', '/v1/session')
  assert.equal(status, 204)
  await refused(next(tokens), 'invalid_grant')
  const { url } = await web.begin({ prompt: 'none' })
  const page = await visitor.open(url)
  assert.equal(page.url.searchParams.get('error'), 'login_required')
})

test('a closed user gets nothing: no sign-in, no code, no tokens', async () => {
  const gone = await provider.customer()
  const visitor = openVisitor(provider.issuer)
  const begun = await web.begin()
  const { url: back } = await signInOn(visitor, await visitor.open(begun.url), gone)
  const tokens = await begin(gone)
  await provider.house.world.pool.query(
    `update app_user set status = 'closed' where user_id = $1`,
    [parseId('user', gone.id)],
  )
  await refused(next(tokens), 'invalid_grant')
  await refused(web.finish(begun, back), 'invalid_grant')
  const { url } = await web.begin({ prompt: 'none' })
  assert.match((await visitor.open(url)).url.href, /error=login_required/)
  const page = await signInOn(visitor, await visitor.open((await web.begin()).url), gone)
  assert.match(page.html, /role="alert"/)
})

test('nothing in the table of the provider is what opens a door', async () => {
  const visitor = openVisitor(provider.issuer)
  const begun = await web.begin()
  const { url } = await signInOn(visitor, await visitor.open(begun.url), ada)
  const code = url.searchParams.get('code') ?? ''
  const tokens = await begin(ada)
  const { rows } = await provider.house.world.pool.query<{ row: string; kind: string }>(
    'select kind, p::text as row from oidc_payload p',
  )
  const kinds = new Set(rows.map(({ kind }) => kind))
  assert(kinds.has('AuthorizationCode') && kinds.has('RefreshToken'), [...kinds].join())
  const secrets = [code, begun.verifier, tokens.refresh_token, tokens.access_token, ada.password]
  for (const secret of secrets) {
    assert(secret)
    assert(!rows.some(({ row }) => row.includes(secret)), secret)
  }
})
