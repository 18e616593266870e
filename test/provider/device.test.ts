import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { decodeJwt } from 'jose'
import * as openid from 'openid-client'
import { discover, openApp, refused, signInOn } from './kit/app.ts'
import { openProvider } from './kit/provider.ts'
import type { Customer, OpenProvider } from './kit/provider.ts'
import { rewrite, sessionsOf } from './kit/rows.ts'
import { openVisitor } from './kit/visitor.ts'
import type { Page, Visitor } from './kit/visitor.ts'

const DEVICE_GRANT = 'urn:ietf:params:oauth:grant-type:device_code'

let provider: OpenProvider
let cli: openid.Configuration
let ada: Customer
before(async () => {
  provider = await openProvider()
  cli = await discover(provider.issuer, 'cli')
  ada = await provider.customer()
})
after(async () => await provider.close())

const scope = 'openid user:read payments:read'

async function begin(): Promise<openid.DeviceAuthorizationResponse> {
  return await openid.initiateDeviceAuthorization(cli, { scope })
}

/** Asks once, as a command line does every few seconds. */
async function poll({ device_code }: openid.DeviceAuthorizationResponse) {
  return await openid.genericGrantRequest(cli, DEVICE_GRANT, { device_code })
}

async function type(visitor: Visitor, user_code: string): Promise<Page> {
  const page = await visitor.open(`${provider.issuer}/device`)
  assert.match(page.html, /<h1>Connect a device<\/h1>/)
  return await visitor.submit(page, { user_code }, '/device')
}

/** Types the code, says that the device is there, signs in if asked: up to the consent. */
async function upToConsent(visitor: Visitor, user_code: string): Promise<Page> {
  const confirm = await type(visitor, user_code)
  assert.match(confirm.html, /<h1>Is this your device\?<\/h1>/)
  assert(confirm.html.includes(user_code))
  const page = await visitor.submit(confirm, {}, '/device')
  return page.html.includes('/password') ? await signInOn(visitor, page, ada) : page
}

test('a command line signs in by a code that is typed elsewhere', async () => {
  const device = await begin()
  assert.match(device.user_code, /^[A-Z]{4}-[A-Z]{4}$/)
  await refused(poll(device), 'authorization_pending')
  const visitor = openVisitor(provider.issuer)
  const asked = await upToConsent(visitor, device.user_code)
  assert.match(asked.html, /<h1>Allow Farthing on the command line\?<\/h1>/)
  await refused(poll(device), 'authorization_pending')
  const done = await visitor.submit(asked, {}, '/consent')
  assert.match(done.html, /<h1>Connected<\/h1>/)

  const tokens = await poll(device)
  const claims = decodeJwt(tokens.access_token)
  assert.equal(claims['client_id'], 'cli')
  assert.equal(claims.sub, ada.id)
  const { caller } = provider.house
  assert.equal((await caller(tokens.access_token).ask('GET', `/v1/user/${ada.id}`)).status, 200)
  const next = await openid.refreshTokenGrant(cli, tokens.refresh_token ?? '')
  assert.equal(decodeJwt(next.access_token)['sid'], claims['sid'])
  await refused(poll(device), 'invalid_grant')
})

test('a code that came again ends what the device got', async () => {
  const device = await begin()
  const visitor = openVisitor(provider.issuer)
  await visitor.submit(await upToConsent(visitor, device.user_code), {}, '/consent')
  const tokens = await poll(device)
  await refused(poll(device), 'invalid_grant')
  const again = openid.refreshTokenGrant(cli, tokens.refresh_token ?? '')
  await refused(again, 'invalid_grant')
})

test('each device is allowed by itself, also in a browser that is signed in', async () => {
  const visitor = openVisitor(provider.issuer)
  const before = (await sessionsOf(provider.house, ada.id)).length
  for (const device of [await begin(), await begin()]) {
    const asked = await upToConsent(visitor, device.user_code)
    assert.match(asked.html, /Allow Farthing on the command line\?/)
    await visitor.submit(asked, {}, '/consent')
    await poll(device)
  }
  const sessions = await sessionsOf(provider.house, ada.id)
  assert.equal(sessions.length, before + 2)
  assert.equal(sessions.at(-1)?.device, 'Farthing on the command line')
})

test('signing out of the browser leaves the device as it is', async () => {
  const visitor = openVisitor(provider.issuer)
  const device = await begin()
  await visitor.submit(await upToConsent(visitor, device.user_code), {}, '/consent')
  const { refresh_token = '' } = await poll(device)
  const page = await visitor.open(`${provider.issuer}/session/end`)
  await visitor.submit(page, { logout: 'yes' }, '/session/end')
  await openid.refreshTokenGrant(cli, refresh_token)
})

test('a wrong code leads back to the question, and says nothing of other codes', async () => {
  const visitor = openVisitor(provider.issuer)
  const page = await type(visitor, 'AAAA-<b>A</b>')
  assert.match(page.html, /This code is wrong, too old, or was used already/)
  assert.doesNotMatch(page.html, /<b>A/)
  const device = await begin()
  const confirm = await visitor.submit(page, { user_code: device.user_code }, '/device')
  assert.match(confirm.html, /Is this your device\?/)
})

test('a code is used once', async () => {
  const device = await begin()
  const visitor = openVisitor(provider.issuer)
  await visitor.submit(await upToConsent(visitor, device.user_code), {}, '/consent')
  const page = await type(openVisitor(provider.issuer), device.user_code)
  assert.match(page.html, /was used already/)
})

test('whoever sees that it is not theirs stops it, and the device hears so', async () => {
  const early = await begin()
  const visitor = openVisitor(provider.issuer)
  const confirm = await type(visitor, early.user_code)
  const stopped = await visitor.submit(confirm, { abort: 'yes' }, '/device')
  assert.match(stopped.html, /The sign-in was stopped/)
  await refused(poll(early), 'access_denied')

  const late = await begin()
  const asked = await upToConsent(visitor, late.user_code)
  const refusedPage = await visitor.submit(asked, {}, '/abort')
  assert.match(refusedPage.html, /The sign-in was stopped/)
  await refused(poll(late), 'access_denied')
})

test('a code that nobody typed in time is worth nothing', async () => {
  const device = await begin()
  assert.equal(device.expires_in, 600)
  await rewrite(provider.house, 'DeviceCode', 'exp', Math.floor(Date.now() / 1_000) - 60)
  await refused(poll(device), 'expired_token')
  const page = await type(openVisitor(provider.issuer), device.user_code)
  assert.match(page.html, /too old/)
})

test('a link does not type the code for whoever opens it', async () => {
  const device = await begin()
  const visitor = openVisitor(provider.issuer)
  const page = await visitor.open(device.verification_uri_complete ?? '')
  assert.match(page.html, /<h1>Connect a device<\/h1>/)
  assert(!page.html.includes(device.user_code))
  const forged = await visitor.send(`${provider.issuer}/device`, {
    method: 'POST',
    body: new URLSearchParams({ user_code: device.user_code, confirm: 'yes', xsrf: 'guessed' }),
  })
  assert.equal(forged.status, 400)
  await refused(poll(device), 'authorization_pending')
})

test('only a device asks this way', async () => {
  const web = await openApp(provider)
  const asked = openid.initiateDeviceAuthorization(web.config, { scope })
  await refused(asked, 'invalid_request')
})
