import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { decodeJwt } from 'jose'
import { openApp, refused, signInOn } from '../kit/app.ts'
import type { App } from '../kit/app.ts'
import { openProvider, shop, till } from '../kit/provider.ts'
import type { Customer, OpenProvider } from '../kit/provider.ts'
import { sessionsOf, shownAgo } from '../kit/rows.ts'
import { openVisitor } from '../kit/visitor.ts'

let provider: OpenProvider
let web: App
let theirs: App
let ada: Customer
before(async () => {
  provider = await openProvider()
  web = await openApp(provider)
  const { id, redirectUri } = shop
  const scope = 'openid user:read payments:read payments:write'
  theirs = await openApp(provider, { id, redirectUri, scope })
  ada = await provider.customer()
})
after(async () => await provider.close())

test("somebody else's app is allowed by its user first, and once in a browser", async () => {
  const visitor = openVisitor(provider.issuer)
  const begun = await theirs.begin()
  const asked = await signInOn(visitor, await visitor.open(begun.url), ada)
  assert.match(asked.html, /<h1>Allow Corner Shop\?<\/h1>/)
  assert.match(asked.html, /see your payments/)
  assert.doesNotMatch(asked.html, /move your money/)
  const allowed = await visitor.submit(asked, {}, '/consent')
  const tokens = await theirs.finish(begun, allowed.url)
  assert.equal(decodeJwt(tokens.access_token)['scope'], 'user:read payments:read')
  const again = await theirs.begin({ prompt: 'none' })
  const second = await theirs.finish(again, (await visitor.open(again.url)).url)
  assert.equal(decodeJwt(second.access_token)['sid'], decodeJwt(tokens.access_token)['sid'])
})

test('what one browser was allowed, another one asks for', async () => {
  const visitor = openVisitor(provider.issuer)
  const { url } = await theirs.begin()
  const page = await signInOn(visitor, await visitor.open(url), ada)
  assert.match(page.html, /Allow Corner Shop\?/)
  const silent = await visitor.open((await theirs.begin({ prompt: 'none' })).url)
  assert.equal(silent.url.searchParams.get('error'), 'consent_required')
})

test('an app is let do what it asks for, and asked again when it asks for more', async () => {
  const visitor = openVisitor(provider.issuer)
  const narrow = { scope: 'openid user:read' }
  const begun = await theirs.begin(narrow)
  const asked = await signInOn(visitor, await visitor.open(begun.url), ada)
  assert.match(asked.html, /see your profile/)
  assert.doesNotMatch(asked.html, /see your payments|e-mail/)
  const first = await theirs.finish(begun, (await visitor.submit(asked, {}, '/consent')).url)
  const { sid, scope } = decodeJwt(first.access_token)
  assert.equal(scope, 'user:read')
  const same = await visitor.open((await theirs.begin({ ...narrow, prompt: 'none' })).url)
  assert(same.url.searchParams.has('code'))

  const wide = { scope: 'openid email payments:read' }
  const silent = await visitor.open((await theirs.begin({ ...wide, prompt: 'none' })).url)
  assert.equal(silent.url.searchParams.get('error'), 'consent_required')
  const more = await theirs.begin(wide)
  const again = await visitor.open(more.url)
  assert.match(again.html, /Allow Corner Shop\?[^]*e-mail address[^]*profile[^]*payments/)
  const second = await theirs.finish(more, (await visitor.submit(again, {}, '/consent')).url)
  assert.deepEqual(
    [decodeJwt(second.access_token)['sid'], decodeJwt(second.access_token)['scope']],
    [sid, 'payments:read'],
  )
  const all = await theirs.begin({ scope: 'openid email user:read payments:read', prompt: 'none' })
  const third = await theirs.finish(all, (await visitor.open(all.url)).url)
  assert.equal(decodeJwt(third.access_token)['scope'], 'user:read payments:read')
  // What it was given before stays as narrow as it was.
  const { refresh_token = '' } = first
  assert.equal(decodeJwt((await theirs.refresh(refresh_token)).access_token)['scope'], 'user:read')
})

test('what one app was let do is no grant of another, nor of who signs in next', async () => {
  const visitor = openVisitor(provider.issuer)
  const begun = await theirs.begin()
  const asked = await signInOn(visitor, await visitor.open(begun.url), ada)
  await theirs.finish(begun, (await visitor.submit(asked, {}, '/consent')).url)
  const bob = await provider.customer()
  const next = await theirs.begin({ scope: 'openid user:read', prompt: 'login' })
  const handing = await signInOn(visitor, await visitor.open(next.url), bob)
  // A script sends this form: the one before is signed out first.
  const page = await visitor.submit(handing, {}, '/session/end/confirm')
  assert.match(page.html, /Allow Corner Shop\?/)
  assert.doesNotMatch(page.html, /see your payments/)
  const tokens = await theirs.finish(next, (await visitor.submit(page, {}, '/consent')).url)
  const { sub, scope } = decodeJwt(tokens.access_token)
  assert.deepEqual([sub, scope], [bob.id, 'user:read'])
})

test('an app that is not allowed hears so, and no session begins', async () => {
  const bob = await provider.customer()
  const visitor = openVisitor(provider.issuer)
  const begun = await theirs.begin()
  const asked = await signInOn(visitor, await visitor.open(begun.url), bob)
  const page = await visitor.submit(asked, {}, '/abort')
  assert.equal(page.url.href.split('?')[0], shop.redirectUri)
  assert.equal(page.url.searchParams.get('error'), 'access_denied')
  await refused(theirs.finish(begun, page.url), 'access_denied')
  assert.deepEqual(await sessionsOf(provider.house, bob.id), [])
})

test('our own app asks nobody', async () => {
  const visitor = openVisitor(provider.issuer)
  const { url } = await web.begin()
  const page = await signInOn(visitor, await visitor.open(url), ada)
  assert(page.url.searchParams.has('code'))
})

test('an app that asks to ask again is allowed again', async () => {
  const visitor = openVisitor(provider.issuer)
  await web.signIn(visitor, ada)
  const first = await visitor.open((await theirs.begin()).url)
  await visitor.submit(first, {}, '/consent')
  const page = await visitor.open((await theirs.begin({ prompt: 'consent' })).url)
  assert.match(page.html, /Allow Corner Shop\?/)
})

test('a session that its owner ended is asked for again', async () => {
  const visitor = openVisitor(provider.issuer)
  const begun = await theirs.begin()
  const asked = await signInOn(visitor, await visitor.open(begun.url), ada)
  const tokens = await theirs.finish(begun, (await visitor.submit(asked, {}, '/consent')).url)
  const { status } = await provider.house.caller(tokens.access_token).ask('DELETE', '/v1/session')
  assert.equal(status, 204)
  const page = await visitor.open((await theirs.begin()).url)
  assert.match(page.html, /<h1>Sign in<\/h1>/)
})

test('an app that may not read the profile hears nothing of it, and asks once', async () => {
  const { id, redirectUri } = till
  const scope = 'openid profile email phone payments:read'
  const app = await openApp(provider, { id, redirectUri, scope })
  const visitor = openVisitor(provider.issuer)
  const begun = await app.begin()
  const asked = await signInOn(visitor, await visitor.open(begun.url), ada)
  assert.doesNotMatch(asked.html, /your name|e-mail address|phone number/)
  const tokens = await app.finish(begun, (await visitor.submit(asked, {}, '/consent')).url)
  const again = await app.begin({ prompt: 'none' })
  const second = await app.finish(again, (await visitor.open(again.url)).url)
  const third = await app.refresh(second.refresh_token ?? '')
  for (const { id_token = '' } of [tokens, second, third]) {
    const claims = decodeJwt(id_token)
    assert.equal(claims.sub, ada.id)
    for (const name of ['name', 'preferred_username', 'email', 'phone_number']) {
      assert.equal(claims[name], undefined, name)
    }
  }
})

test('what an app hears of somebody is named before it is allowed, also when it asks for more', async () => {
  const visitor = openVisitor(provider.issuer)
  const begun = await theirs.begin({ scope: 'openid profile email phone' })
  const asked = await signInOn(visitor, await visitor.open(begun.url), ada)
  const named = /name and handle[^]*e-mail address[^]*phone number/
  assert.match(asked.html, named)
  const tokens = await theirs.finish(begun, (await visitor.submit(asked, {}, '/consent')).url)
  const { email, phone_number } = decodeJwt(tokens.id_token ?? '')
  assert.deepEqual([email, phone_number], [ada.email, ada.phoneNumber])
  const more = await visitor.open((await theirs.begin({ scope: 'openid user:read' })).url)
  assert.match(more.html, named)
})

test("a factor that is shown to the API makes no more of somebody else's app", async () => {
  const visitor = openVisitor(provider.issuer)
  const begun = await theirs.begin({ scope: 'openid user:read' })
  const asked = await signInOn(visitor, await visitor.open(begun.url), ada)
  const tokens = await theirs.finish(begun, (await visitor.submit(asked, {}, '/consent')).url)
  const { sid, auth_time, scope } = decodeJwt(tokens.access_token)
  await shownAgo(provider.house, ada.id, 3_600)
  const { status, body } = await provider.house
    .caller(tokens.access_token)
    .ask('POST', '/v1/session/step-up', { password: ada.password })
  assert.deepEqual(
    [status, body['code'], body['accessToken']],
    [403, 'action_forbidden', undefined],
  )
  const after = decodeJwt((await theirs.refresh(tokens.refresh_token ?? '')).access_token)
  assert.deepEqual(
    [after['sid'], after['auth_time'], after['scope']],
    [sid, Number(auth_time) - 3_600, scope],
  )
})
