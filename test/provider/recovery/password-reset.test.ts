import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { until } from '../../kit/until.ts'
import { openApp, refused } from '../kit/app.ts'
import type { App } from '../kit/app.ts'
import { openProvider } from '../kit/provider.ts'
import type { Customer, OpenProvider } from '../kit/provider.ts'
import { openVisitor } from '../kit/visitor.ts'
import type { Page } from '../kit/visitor.ts'
import { letter, linkIn, provenCustomer, withApp } from './kit.ts'

const password = 'eleven slow herons'
/** A second, and what a busy machine takes. */
const SOON_MS = 2_000

let provider: OpenProvider
let web: App
before(async () => {
  provider = await openProvider()
  web = await openApp(provider)
})
after(async () => await provider.close())

async function ask(login: string): Promise<Page> {
  const visitor = openVisitor(provider.issuer)
  return await visitor.submit(await visitor.open(`${provider.issuer}/reset`), { login })
}

async function linkFor({ email }: Customer): Promise<URL> {
  await ask(email)
  return linkIn(provider, await letter(provider, email, 'Reset your Farthing password'))
}

/** What `POST /v1/session` says. */
async function signsIn(login: string, password: string, code?: string): Promise<unknown> {
  const { status, body } = await provider.house.stranger.ask('POST', '/v1/session', {
    login,
    password,
    ...(code !== undefined && { code }),
  })
  return body['code'] ?? status
}

test('who asks for a link hears the same, whether there is such a login or not', async () => {
  const ada = await provenCustomer(provider)
  const [known, unknown, unproven] = [
    await ask(ada.email),
    await ask('nobody@example.com'),
    await ask((await provider.customer()).email),
  ]
  assert.match(known.html, /If there is an account/)
  for (const { html, status } of [unknown, unproven]) {
    assert.deepEqual([status, html], [known.status, known.html])
  }
  await letter(provider, ada.email, 'Reset your Farthing password')
})

test('a link sets a new password, once, and every session is over within a second', async () => {
  const ada = await provenCustomer(provider)
  const other = openVisitor(provider.issuer)
  const tokens = await web.signIn(other, ada)
  const { house } = provider
  const asks = async () =>
    (await house.caller(tokens.access_token).ask('GET', `/v1/user/${ada.id}`)).status
  assert.equal(await asks(), 200)

  const link = await linkFor(ada)
  const visitor = openVisitor(provider.issuer)
  const form = await visitor.open(link)
  assert.doesNotMatch(form.html, /name="code"/)
  const done = await visitor.submit(form, { password })
  assert.match(done.html, /<h1>Your password is changed<\/h1>/)
  await until('the token opens nothing', async () => (await asks()) === 401, SOON_MS)
  await refused(web.refresh(tokens.refresh_token ?? ''), 'invalid_grant')
  const silent = await other.open((await web.begin({ prompt: 'none' })).url)
  assert.equal(silent.url.searchParams.get('error'), 'login_required')
  assert.equal(await signsIn(ada.email, ada.password), 'credentials_invalid')
  assert.equal(await signsIn(ada.email, password), 200)

  const again = await visitor.submit(form, { password: 'twelve slow herons' })
  assert.match(again.html, /<h1>That link is over<\/h1>/)
  assert.match((await visitor.open(link)).html, /<h1>That link is over<\/h1>/)
  assert.equal(await signsIn(ada.email, password), 200)
})

test('to look at a link uses nothing up, and a refused password neither', async () => {
  const ada = await provenCustomer(provider)
  const link = await linkFor(ada)
  const visitor = openVisitor(provider.issuer)
  await visitor.open(link)
  const form = await visitor.open(link)
  const refusedForm = await visitor.submit(form, { password: 'password1' })
  assert.match(refusedForm.html, /role="alert">This password \w+/)
  const done = await visitor.submit(refusedForm, { password })
  assert.match(done.html, /<h1>Your password is changed<\/h1>/)
})

test('with a second factor the link alone changes nothing', async () => {
  const ada = await provenCustomer(provider)
  const { next, recoveryCode } = await withApp(provider, ada)
  const link = await linkFor(ada)
  const visitor = openVisitor(provider.issuer)
  const form = await visitor.open(link)
  assert.match(form.html, /name="code"/)
  const without = await visitor.submit(form, { password })
  assert.match(without.html, /role="alert"/)
  const wrong = await visitor.submit(without, { password, code: '000000' })
  assert.match(wrong.html, /role="alert"/)
  assert.equal(await signsIn(ada.email, ada.password), 'second_factor_required')

  const done = await visitor.submit(wrong, { password, code: recoveryCode })
  assert.match(done.html, /<h1>Your password is changed<\/h1>/)
  assert.equal(await signsIn(ada.email, password), 'second_factor_required')
  assert.equal(await signsIn(ada.email, password, next()), 200)
})

test('no link of another kind opens the page', async () => {
  const visitor = openVisitor(provider.issuer)
  for (const token of ['', 'x', 'a'.repeat(43), 'a'.repeat(200)]) {
    const page = await visitor.open(`${provider.issuer}/reset-password?token=${token}`)
    assert.match(page.html, /<h1>That link is over<\/h1>/, token)
  }
})
