import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { openApp, signInOn } from '../kit/app.ts'
import type { App } from '../kit/app.ts'
import { assertPlain } from '../kit/plain.ts'
import { openProvider } from '../kit/provider.ts'
import type { Customer, OpenProvider } from '../kit/provider.ts'
import { openVisitor } from '../kit/visitor.ts'
import type { Page, Visitor } from '../kit/visitor.ts'

let provider: OpenProvider
let web: App
let ada: Customer
before(async () => {
  provider = await openProvider()
  web = await openApp(provider)
  ada = await provider.customer()
})
after(async () => await provider.close())

async function signInPage(visitor: Visitor, more: Record<string, string> = {}): Promise<Page> {
  return await visitor.open((await web.begin(more)).url)
}

/** Sends the sign-in form as another page could. */
async function forge(visitor: Visitor, { url }: Page, headers: Record<string, string>) {
  const body = new URLSearchParams({ login: ada.email, password: ada.password })
  return await visitor.send(`${url.href}/password`, { method: 'POST', headers, body })
}

test('whatever leaves by this door says what a browser may do with it', async () => {
  const visitor = openVisitor(provider.issuer)
  const { url } = await signInPage(visitor)
  const paths = [
    url.href,
    '/account',
    '/device',
    '/session/end',
    '/session/end/success',
    '/auth',
    '/auth/unknown',
    '/interaction/0123456789',
    '/no/such/page',
    '/token',
    '/back/sign-in',
    '/assets/style.css',
    '/.well-known/openid-configuration',
    '/jwks',
    '/me',
    '/%',
    `/${'a'.repeat(5_000)}`,
  ]
  for (const path of paths) {
    const { headers } = await visitor.send(new URL(path, provider.issuer))
    const policy = headers.get('content-security-policy') ?? ''
    assert.match(policy, /default-src 'none'/, path)
    assert.match(policy, /frame-ancestors /, path)
    assert.doesNotMatch(policy, /unsafe/, path)
    assert.equal(headers.get('x-content-type-options'), 'nosniff', path)
    assert.equal(headers.get('referrer-policy'), 'same-origin', path)
    assert(headers.get('cache-control'), path)
    assert.equal(headers.get('x-powered-by'), null, path)
  }
})

test('only the answers that apps wait for are in a frame, of an app of ours', async () => {
  const visitor = openVisitor(provider.issuer)
  const page = await signInPage(visitor)
  assert.match(page.headers.get('content-security-policy') ?? '', /frame-ancestors 'none'/)
  const answer = await visitor.send((await web.begin({ prompt: 'none' })).url)
  const policy = answer.headers.get('content-security-policy') ?? ''
  assert.match(policy, new RegExp(`frame-ancestors 'self' ${provider.webUrl}$`))
  for (const path of ['/device', '/session/end', '/token', '/auth-not', '/no/such/page', '/']) {
    const { headers } = await visitor.send(new URL(path, provider.issuer))
    const policy = headers.get('content-security-policy') ?? ''
    assert.match(policy, /frame-ancestors 'none'$/, path)
  }
})

test('no page has a script or a style in itself, and every field says what it is', async () => {
  const visitor = openVisitor(provider.issuer)
  const asked = await signInPage(visitor)
  const pages = [
    asked,
    await visitor.submit(asked, { login: 'nobody', password: 'wrong' }, '/password'),
    await visitor.open(`${asked.url.href}/register`),
    await visitor.open(`${provider.issuer}/device`),
    await visitor.open(`${provider.issuer}/auth?client_id=nobody`),
    await visitor.open(`${provider.issuer}/interaction/0123456789`),
    await visitor.open(`${provider.issuer}/no/such/page`),
  ]
  for (const page of pages) assertPlain(page)
})

test('passwords are masked, and managers of passwords know them', async () => {
  const visitor = openVisitor(provider.issuer)
  const page = await signInPage(visitor)
  const register = await visitor.open(`${page.url.href}/register`)
  const field = '<input name="password" type="password" autocomplete='
  assert(page.html.includes(`${field}"current-password"`))
  assert(register.html.includes(`${field}"new-password"`))
})

test('what somebody typed comes back as text', async () => {
  const visitor = openVisitor(provider.issuer)
  const hostile = '"><script>alert(1)</script>'
  const page = await signInPage(visitor, { login_hint: hostile })
  assert.doesNotMatch(page.html, /<script>/)
  const again = await visitor.submit(page, { login: hostile, password: 'x' }, '/password')
  assert.doesNotMatch(again.html, /<script>/)
  assert.match(again.html, /value="&#34;&#62;&#60;script/)
  const wrong = await visitor.open(
    `${provider.issuer}/auth?client_id=${encodeURIComponent(hostile)}`,
  )
  assert.equal(wrong.status, 400)
  assert.doesNotMatch(wrong.html, /<script>/)
})

test('a wrong password and an unknown login are answered alike', async () => {
  const visitor = openVisitor(provider.issuer)
  const page = await signInPage(visitor)
  const wrong = await visitor.submit(page, { login: ada.email, password: 'wrong' }, '/password')
  const login = 'nobody@example.com'
  const unknown = await visitor.submit(page, { login, password: 'wrong' }, '/password')
  assert.match(wrong.html, /role="alert"/)
  assert.equal(wrong.html.replace(ada.email, login), unknown.html)
  assert.equal(wrong.status, unknown.status)
})

test("a form of another origin's page is refused, and so is one that names none", async () => {
  const visitor = openVisitor(provider.issuer)
  const page = await signInPage(visitor)
  const origins = ['https://evil.example', 'null', provider.webUrl, `${provider.issuer}.evil.test`]
  for (const origin of origins) {
    assert.equal((await forge(visitor, page, { origin })).status, 403, origin)
  }
  assert.equal((await forge(visitor, page, {})).status, 403)
  assert.equal((await forge(visitor, page, { origin: provider.issuer })).status, 303)
})

test('a sign-in on its way is of use in the browser that began it, and in no other', async () => {
  const mine = openVisitor(provider.issuer)
  const other = openVisitor(provider.issuer)
  const page = await signInPage(mine)
  const elsewhere = await other.open(page.url)
  assert.equal(elsewhere.status, 404)
  assert.doesNotMatch(elsewhere.html, /<form/)
  const posted = await forge(other, page, { origin: provider.issuer })
  assert.equal(posted.status, 404)
  // Also not in one that has a sign-in of its own.
  await signInPage(other)
  assert.equal((await forge(other, page, { origin: provider.issuer })).status, 404)
})

test('whoever is led to the end of a sign-in of somebody else is not signed in as them', async () => {
  const attacker = openVisitor(provider.issuer)
  const page = await signInPage(attacker)
  const answer = await forge(attacker, page, { origin: provider.issuer })
  const end = answer.headers.get('location') ?? ''
  assert.match(end, /\/auth\//)
  const victim = openVisitor(provider.issuer)
  const led = await victim.open(new URL(end, provider.issuer))
  assert.equal(led.status, 400)
  const silent = await victim.open((await web.begin({ prompt: 'none' })).url)
  assert.equal(silent.url.searchParams.get('error'), 'login_required')
})

test('a sign-in that is over is over', async () => {
  const visitor = openVisitor(provider.issuer)
  const page = await signInPage(visitor)
  await signInOn(visitor, page, ada)
  assert.equal((await visitor.open(page.url)).status, 404)
  assert.equal((await forge(visitor, page, { origin: provider.issuer })).status, 404)
})

test('looking changes nothing, and only forms are read', async () => {
  const visitor = openVisitor(provider.issuer)
  const { url } = await signInPage(visitor)
  assert.equal((await visitor.send(`${url.href}/password`)).status, 404)
  const headers = { origin: provider.issuer }
  const bodies: readonly (readonly [string, string, number])[] = [
    ['text/plain', 'login=a&password=b', 400],
    ['application/x-www-form-urlencoded', 'login=a', 400],
    ['application/x-www-form-urlencoded', `login=a&password=${'b'.repeat(2_000)}`, 400],
    ['application/x-www-form-urlencoded', `login=a&password=${'b'.repeat(40_000)}`, 413],
  ]
  for (const [type, body, status] of bodies) {
    const sent = { method: 'POST', headers: { ...headers, 'content-type': type }, body }
    const answer = await visitor.send(`${url.href}/password`, sent)
    assert.equal(answer.status, status, `${type} ${body.slice(0, 30)}`)
    assert.doesNotMatch(await answer.text(), /bbbb/)
  }
})

test('cookies are of no use to scripts, and each sign-in has its own', async () => {
  const visitor = openVisitor(provider.issuer)
  const answer = await visitor.send((await web.begin()).url)
  const set = answer.headers.getSetCookie()
  assert(set.length >= 4)
  for (const line of set) {
    assert.match(line, /; httponly/i)
    assert.match(line, /; samesite=lax/i)
    assert.match(line, /; path=\/(interaction|auth)\//)
  }
})

test('an app of ours is heard by scripts of its own origin, and by no other', async () => {
  const ask = async (origin: string) => {
    const answer = await fetch(`${provider.issuer}/token`, {
      method: 'POST',
      headers: { origin },
      body: new URLSearchParams({ client_id: 'web', grant_type: 'refresh_token' }),
    })
    return answer.headers.get('access-control-allow-origin')
  }
  assert.equal(await ask(provider.webUrl), provider.webUrl)
  assert.equal(await ask('https://evil.example'), null)
  assert.equal(await ask('https://shop.test'), null)
})

test('when the database is away people see a page, not what went wrong', async () => {
  const { pool } = provider.house.world
  const visitor = openVisitor(provider.issuer)
  const page = await signInPage(visitor)
  await pool.query('alter table oidc_payload rename to gone')
  try {
    const begun = await visitor.open((await web.begin()).url)
    const onItsWay = await visitor.open(page.url)
    for (const { status, html, headers } of [begun, onItsWay]) {
      assert(status >= 500, `${status}`)
      assert.doesNotMatch(html, /oidc_payload|relation|select|at .*\.js/)
      assert.match(headers.get('content-security-policy') ?? '', /default-src 'none'/)
    }
  } finally {
    await pool.query('alter table gone rename to oidc_payload')
  }
  assert.equal((await visitor.open(page.url)).status, 200)
})
