import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { decodeJwt } from 'jose'
import { openApp, refused, signInOn } from './kit/app.ts'
import type { App, Tokens } from './kit/app.ts'
import { openProvider, shop } from './kit/provider.ts'
import type { Customer, OpenProvider } from './kit/provider.ts'
import { isDenied, rewrite, sessionsOf, signedInAgo } from './kit/rows.ts'
import { openVisitor } from './kit/visitor.ts'
import type { Page, Visitor } from './kit/visitor.ts'

let provider: OpenProvider
let web: App
let ada: Customer
before(async () => {
  provider = await openProvider()
  web = await openApp(provider)
  ada = await provider.customer()
})
after(async () => await provider.close())

const HOUR_SECONDS = 3_600

async function silently(visitor: Visitor, app = web): Promise<Page> {
  return await visitor.open((await app.begin({ prompt: 'none' })).url)
}

/** Sends the form that asks whether to sign out. */
async function signOut(visitor: Visitor, { id_token }: Tokens, whole: boolean): Promise<Page> {
  const url = new URL('/session/end', provider.issuer)
  url.searchParams.set('id_token_hint', id_token ?? '')
  url.searchParams.set('post_logout_redirect_uri', `${provider.webUrl}/`)
  const page = await visitor.open(url)
  assert.match(page.html, /<h1>Sign out\?<\/h1>/)
  return await visitor.submit(page, whole ? { logout: 'yes' } : {}, '/session/end')
}

test('a browser that is signed in gets tokens without a page, in the same session', async () => {
  const visitor = openVisitor(provider.issuer)
  const first = await web.signIn(visitor, ada)
  const begun = await web.begin({ prompt: 'none' })
  const back = await visitor.open(begun.url)
  const second = await web.finish(begun, back.url)
  assert.equal(decodeJwt(second.access_token)['sid'], decodeJwt(first.access_token)['sid'])
})

test('signing out ends the sessions of that browser and of no other', async () => {
  const eve = await provider.customer()
  const visitor = openVisitor(provider.issuer)
  const here = await web.signIn(visitor, eve)
  const elsewhere = await web.signIn(openVisitor(provider.issuer), eve)
  const left = await signOut(visitor, here, true)
  assert.equal(left.url.href, `${provider.webUrl}/`)
  assert.equal((await silently(visitor)).url.searchParams.get('error'), 'login_required')
  await refused(web.refresh(here.refresh_token ?? ''), 'invalid_grant')
  assert(await isDenied(provider.house, decodeJwt(here.access_token)['sid']))
  assert.notEqual((await web.refresh(elsewhere.refresh_token ?? '')).access_token, '')
  const { rows } = await provider.house.world.pool.query(
    `select client_id, outcome from auth_event where kind = 'sign_out' order by at desc limit 1`,
  )
  assert.deepEqual(rows, [{ client_id: 'web', outcome: 'done' }])
})

test('leaving one app ends its session, and the others go on', async () => {
  const visitor = openVisitor(provider.issuer)
  const tokens = await web.signIn(visitor, ada)
  const { redirectUri } = shop
  const theirs = await openApp(provider, { id: shop.id, redirectUri, scope: 'openid user:read' })
  const begun = await theirs.begin()
  const { url } = await visitor.submit(await visitor.open(begun.url), {}, '/consent')
  const other = await theirs.finish(begun, url)
  await signOut(visitor, tokens, false)
  await refused(web.refresh(tokens.refresh_token ?? ''), 'invalid_grant')
  assert(await isDenied(provider.house, decodeJwt(tokens.access_token)['sid']))
  assert.equal((await silently(visitor)).url.searchParams.get('error'), 'login_required')
  await theirs.refresh(other.refresh_token ?? '')
  assert(!(await isDenied(provider.house, decodeJwt(other.access_token)['sid'])))
})

test('nobody is signed out by a form that did not come from the page', async () => {
  const visitor = openVisitor(provider.issuer)
  const tokens = await web.signIn(visitor, ada)
  await visitor.open(`${provider.issuer}/session/end`)
  const answer = await visitor.send(`${provider.issuer}/session/end/confirm`, {
    method: 'POST',
    body: new URLSearchParams({ logout: 'yes', xsrf: 'guessed' }),
  })
  assert.equal(answer.status, 400)
  assert.notEqual((await silently(visitor)).url.searchParams.get('code'), null)
  await web.refresh(tokens.refresh_token ?? '')
})

test('signing out sends nobody to an address that is not registered', async () => {
  const visitor = openVisitor(provider.issuer)
  const { id_token = '' } = await web.signIn(visitor, ada)
  const url = new URL('/session/end', provider.issuer)
  url.searchParams.set('id_token_hint', id_token)
  url.searchParams.set('post_logout_redirect_uri', 'https://evil.example/')
  assert.equal((await visitor.open(url)).status, 400)
})

for (const parameters of [{ prompt: 'login' }, { max_age: '60' }]) {
  const name = JSON.stringify(parameters)
  test(`${name} asks again, and the same session then counts as fresh`, async () => {
    const bob = await provider.customer()
    const visitor = openVisitor(provider.issuer)
    const tokens = await web.signIn(visitor, bob)
    const before = decodeJwt(tokens.access_token)
    const now = Math.floor(Date.now() / 1_000)
    await signedInAgo(provider.house, bob.id, HOUR_SECONDS)
    const begun = await web.begin(parameters)
    const asked = await visitor.open(begun.url)
    assert.match(asked.html, /Confirm that it is you/)
    assert.match(asked.html, /name="login" value="\w+"/)
    const { url } = await signInOn(visitor, asked, bob)
    const claims = (await web.finish(begun, url)).claims()
    const after = decodeJwt((await web.refresh(tokens.refresh_token ?? '')).access_token)
    assert.equal(after['sid'], before['sid'])
    assert(Number(after['auth_time']) > now - 60)
    if ('max_age' in parameters) assert.equal(claims?.['auth_time'], after['auth_time'])
  })
}

test('prompt=none does not pass by max_age', async () => {
  const visitor = openVisitor(provider.issuer)
  await web.signIn(visitor, ada)
  await rewrite(provider.house, 'Session', 'loginTs', Math.floor(Date.now() / 1_000) - 120)
  const { url } = await web.begin({ prompt: 'none', max_age: '60' })
  assert.equal((await visitor.open(url)).url.searchParams.get('error'), 'login_required')
})

test('signing in as somebody else ends what the one before had in that browser', async () => {
  const bob = await provider.customer()
  const visitor = openVisitor(provider.issuer)
  const first = await web.signIn(visitor, ada)
  const begun = await web.begin({ prompt: 'login' })
  let page = await signInOn(visitor, await visitor.open(begun.url), bob)
  // Without scripts the browser stands before a form that a script would have sent.
  if (page.url.origin === provider.issuer) page = await visitor.submit(page)
  const tokens = await web.finish(begun, page.url)
  assert.equal(tokens.claims()?.sub, bob.id)
  await refused(web.refresh(first.refresh_token ?? ''), 'invalid_grant')
  assert(await isDenied(provider.house, decodeJwt(first.access_token)['sid']))
})

test('the cookie of the session changes with the sign-in, and ends by itself', async () => {
  const visitor = openVisitor(provider.issuer)
  const begun = await web.begin()
  const asked = await visitor.open(begun.url)
  const before = visitor.cookies(provider.issuer)
  await signInOn(visitor, asked, ada)
  const after = visitor.cookies(provider.issuer)
  assert.notEqual(after, before)
  assert.match(after, /_session=/)
  await rewrite(provider.house, 'Session', 'exp', Math.floor(Date.now() / 1_000) - 60)
  assert.equal((await silently(visitor)).url.searchParams.get('error'), 'login_required')
})

test('a browser that is used every day signs in again after two weeks all the same', async () => {
  const bob = await provider.customer()
  const visitor = openVisitor(provider.issuer)
  await web.signIn(visitor, bob)
  const signedInAt = Math.floor(Date.now() / 1_000) - 14 * 24 * HOUR_SECONDS + 60
  await rewrite(provider.house, 'Session', 'loginTs', signedInAt)
  assert((await silently(visitor)).url.searchParams.has('code'))
  const { rows } = await provider.house.world.pool.query<{ exp: number }>(
    `select (payload->'exp')::int as exp from oidc_payload
     where kind = 'Session' and payload->>'accountId' = $1`,
    [bob.id],
  )
  const late = (rows[0]?.exp ?? 0) - signedInAt - 14 * 24 * HOUR_SECONDS
  assert(Math.abs(late) <= 2, `it ends ${late} s late`)
})

test('a cookie that was changed signs nobody in', async () => {
  const visitor = openVisitor(provider.issuer)
  await web.signIn(visitor, ada)
  const cookie = visitor
    .cookies(provider.issuer)
    .replace(/(?<=_session=)./, (first) => (first === 'x' ? 'y' : 'x'))
  const { url } = await web.begin({ prompt: 'none' })
  const answer = await fetch(url, { redirect: 'manual', headers: { cookie } })
  assert.match(answer.headers.get('location') ?? '', /error=login_required/)
})

test('whoever comes to sign up does so on the way, and is signed in', async () => {
  const visitor = openVisitor(provider.issuer)
  const begun = await web.begin({ screen_hint: 'register' })
  const page = await visitor.open(begun.url)
  assert.match(page.html, /Create your account/)
  const [, link = ''] = /href="([^"]+)">I have an account/.exec(page.html) ?? []
  assert.match((await visitor.open(new URL(link, page.url))).html, /<h1>Sign in<\/h1>/)
  const typed = {
    email: 'new.person@example.com',
    phoneNumber: '+14155550123',
    displayName: '',
    handle: '',
    password: 'nine loud owls',
  }
  const refusedPage = await visitor.submit(page, { ...typed, email: ada.email }, '/register')
  assert.match(refusedPage.html, /role="alert"/)
  assert.match(refusedPage.html, /\+14155550123/)
  assert.doesNotMatch(refusedPage.html, /nine loud owls/)
  const { url } = await visitor.submit(refusedPage, typed, '/register')
  const tokens = await web.finish(begun, url)
  assert.equal(tokens.claims()?.['email'], typed.email)
  const user = tokens.claims()?.sub ?? ''
  assert.equal((await sessionsOf(provider.house, user)).length, 1)
})
