import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { openApp, refused, signInOn } from './kit/app.ts'
import type { App } from './kit/app.ts'
import { codesOn } from './kit/authenticator-app.ts'
import type { NextCode } from './kit/authenticator-app.ts'
import { openProvider } from './kit/provider.ts'
import type { Customer, OpenProvider } from './kit/provider.ts'
import { signedInAgo } from './kit/rows.ts'
import { openVisitor } from './kit/visitor.ts'
import type { Page, Visitor } from './kit/visitor.ts'

let provider: OpenProvider
let web: App
before(async () => {
  provider = await openProvider()
  web = await openApp(provider)
})
after(async () => await provider.close())

/** Somebody on the page of their account, in a browser without scripts. */
type AtHome = Readonly<{ ada: Customer; visitor: Visitor; page: Page }>

async function atHome(): Promise<AtHome> {
  const ada = await provider.customer()
  return { ada, ...(await signIn(ada)) }
}

async function signIn(ada: Customer): Promise<Readonly<{ visitor: Visitor; page: Page }>> {
  const visitor = openVisitor(provider.issuer)
  const asked = await visitor.open(`${provider.issuer}/account`)
  return { visitor, page: await signInOn(visitor, asked, ada) }
}

/** With an authenticator app. `next` is what it shows. */
async function withApp(): Promise<AtHome & Readonly<{ next: NextCode }>> {
  const at = await atHome()
  const setUp = await at.visitor.submit(at.page, {}, '/account/totp')
  const next = codesOn(setUp.html, provider.house.world.parts.clock)
  const page = await at.visitor.submit(setUp, { code: next() }, '/account/totp/confirm')
  assert.match(page.html, /Your authenticator app is on/)
  return { ...at, page, next }
}

function isIn(page: Page): boolean {
  return page.html.includes('<h1>Account and security</h1>')
}

/** What `POST /v1/session` says to the password alone. */
async function alone({ email: login, password }: Customer): Promise<unknown> {
  const { status, body } = await provider.house.stranger.ask('POST', '/v1/session', {
    login,
    password,
  })
  return body['code'] ?? status
}

async function makeCodes({ visitor, page }: AtHome): Promise<readonly string[]> {
  const { html } = await visitor.submit(page, {}, '/account/recovery-codes')
  assert.match(html, /<h1>Your recovery codes<\/h1>/)
  return [...html.matchAll(/<(?:span|li)>([a-z0-9]{4}(?:-[a-z0-9]{4}){2})</g)].map(
    ([, code = '']) => code,
  )
}

test('an app is on once it has shown a code, and not before', async () => {
  const { ada, visitor, page } = await atHome()
  const setUp = await visitor.submit(page, {}, '/account/totp')
  const next = codesOn(setUp.html, provider.house.world.parts.clock)
  const wrong = String((Number(next()) + 1) % 1_000_000).padStart(6, '0')
  const again = await visitor.submit(setUp, { code: wrong }, '/account/totp/confirm')
  assert.match(again.html, /<h1>That did not match<\/h1>/)
  assert.equal(await alone(ada), 200)
  const spaced = next().replace(/(...)/, '$1 ')
  const done = await visitor.submit(again, { code: spaced }, '/account/totp/confirm')
  assert.match(done.html, /role="status">Your authenticator app is on/)
  assert.equal(await alone(ada), 'second_factor_required')
})

test('with an app the password opens a second step, and a wrong code nothing', async () => {
  const { ada, next } = await withApp()
  const { visitor, page } = await signIn(ada)
  assert.match(page.html, /<h1>Second step<\/h1>/)
  const wrong = await visitor.submit(page, { code: '000 000' }, '/code')
  assert.match(wrong.html, /role="alert">This code is not right/)
  assert(!isIn(await visitor.open(`${provider.issuer}/account`)))
  const code = next()
  const done = await visitor.submit(wrong, { code }, '/code')
  assert(isIn(done), done.html)

  const other = await signIn(ada)
  const twice = await other.visitor.submit(other.page, { code }, '/code')
  assert.match(twice.html, /role="alert"/)
})

test('recovery codes are shown once, and each signs in once', async () => {
  const at = await withApp()
  const codes = await makeCodes(at)
  assert.equal(new Set(codes).size, 10)
  const [code = ''] = codes
  const account = await at.visitor.open(`${provider.issuer}/account`)
  assert.match(account.html, /10 left/)
  for (const shown of codes) assert(!account.html.includes(shown))

  const { visitor, page } = await signIn(at.ada)
  const done = await visitor.submit(page, { code: code.toUpperCase() }, '/code')
  assert(isIn(done), done.html)
  assert.match(done.html, /9 left/)
  const other = await signIn(at.ada)
  const twice = await other.visitor.submit(other.page, { code }, '/code')
  assert.match(twice.html, /role="alert"/)
})

test('new recovery codes end those before', async () => {
  const at = await withApp()
  const [before = ''] = await makeCodes(at)
  const [now = ''] = await makeCodes(at)
  const { visitor, page } = await signIn(at.ada)
  const old = await visitor.submit(page, { code: before }, '/code')
  assert.match(old.html, /role="alert"/)
  assert(isIn(await visitor.submit(old, { code: now }, '/code')))
})

test('with the last second factor go the recovery codes, and the password is enough', async () => {
  const at = await withApp()
  await makeCodes(at)
  const page = await at.visitor.submit(at.page, {}, '/account/totp/remove')
  assert.match(page.html, /role="status"/)
  assert.doesNotMatch(page.html, /Recovery codes/)
  assert.equal(await alone(at.ada), 200)
  assert(isIn((await signIn(at.ada)).page))
})

test('whoever signed in more than ten minutes ago changes nothing of it', async () => {
  const at = await withApp()
  await makeCodes(at)
  await signedInAgo(provider.house, at.ada.id, 601)
  for (const path of ['/account/totp/remove', '/account/recovery-codes']) {
    const page = await at.visitor.submit(at.page, {}, path)
    assert.match(page.html, /<h1>Confirm that it is you<\/h1>/, path)
  }
  const { html } = await at.visitor.open(`${provider.issuer}/account/password`)
  assert.match(html, /<h1>Confirm that it is you<\/h1>/)
  const account = await at.visitor.open(`${provider.issuer}/account`)
  assert.match(account.html, /10 left/)
})

test('a contact is proven by the code that was sent to it, and no other', async () => {
  const { ada, visitor, page } = await atHome()
  const { house } = provider
  for (const [channel, recipient] of [
    ['email', ada.email],
    ['phone', ada.phoneNumber],
  ] as const) {
    const asked = await visitor.submit(page, {}, `/account/contacts/${channel}/code`)
    assert(asked.html.includes(recipient))
    const code = await house.world.until(async () => await house.world.lastCode(recipient))
    const other = String((Number(code) + 1) % 1_000_000).padStart(6, '0')
    const wrong = await visitor.submit(asked, { code: other }, '/verify')
    assert.match(wrong.html, /role="alert"/)
    const done = await visitor.submit(wrong, { code }, '/verify')
    assert.match(done.html, /role="status"/)
  }
  const account = await visitor.open(`${provider.issuer}/account`)
  assert.doesNotMatch(account.html, /not proven|Send a code/)
})

test('a second code at once is refused with how long it takes', async () => {
  const { visitor, page } = await atHome()
  await visitor.submit(page, {}, '/account/contacts/email/code')
  const again = await visitor.submit(page, {}, '/account/contacts/email/code')
  assert.match(again.html, /role="alert">[^<]*Try again in a minute/)
})

test('a new password ends all other browsers, and this one stays with its apps', async () => {
  const ada = await provider.customer()
  const [mine, other] = [openVisitor(provider.issuer), openVisitor(provider.issuer)]
  const stays = await web.signIn(mine, ada)
  const ends = await web.signIn(other, ada)
  await mine.open(`${provider.issuer}/account`)
  const form = await mine.open(`${provider.issuer}/account/password`)
  const password = 'eleven slow herons'
  const wrong = await mine.submit(form, { before: 'no', password }, '/account/password')
  assert.match(wrong.html, /role="alert"/)
  const done = await mine.submit(wrong, { before: ada.password, password }, '/account/password')
  assert.match(done.html, /role="status">Your password is changed/, done.html)
  await refused(web.refresh(ends.refresh_token ?? ''), 'invalid_grant')
  const silent = await other.open((await web.begin({ prompt: 'none' })).url)
  assert.equal(silent.url.searchParams.get('error'), 'login_required')
  await web.refresh(stays.refresh_token ?? '')
  assert.equal(await alone(ada), 'credentials_invalid')
  assert.equal(await alone({ ...ada, password }), 200)
})
