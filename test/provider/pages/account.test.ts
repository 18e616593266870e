import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { decodeJwt } from 'jose'
import { parseId } from '../../../src/ids/ids.ts'
import { openApp, refused, signInOn } from '../kit/app.ts'
import type { App } from '../kit/app.ts'
import { openProvider } from '../kit/provider.ts'
import type { Customer, OpenProvider } from '../kit/provider.ts'
import { isDenied, rewrite } from '../kit/rows.ts'
import { openVisitor } from '../kit/visitor.ts'
import type { Page, Visitor } from '../kit/visitor.ts'

let provider: OpenProvider
let web: App
before(async () => {
  provider = await openProvider()
  web = await openApp(provider)
})
after(async () => await provider.close())

async function account(visitor: Visitor, customer: Customer): Promise<Page> {
  const page = await visitor.open(`${provider.issuer}/account`)
  return page.html.includes('/password"') && page.html.includes('<h1>Sign in</h1>')
    ? await signInOn(visitor, page, customer)
    : page
}

test('the page of the account asks who it is, and comes back', async () => {
  const ada = await provider.customer()
  const page = await account(openVisitor(provider.issuer), ada)
  assert.equal(page.url.pathname, '/account')
  assert.match(page.html, /<h1>Account and security<\/h1>/)
  assert(page.html.includes(ada.email))
})

test('a session that is ended on the page of the account is over everywhere', async () => {
  const ada = await provider.customer()
  const theirs = await web.signIn(openVisitor(provider.issuer), ada)
  const { sid } = decodeJwt(theirs.access_token)
  const mine = openVisitor(provider.issuer)
  const page = await account(mine, ada)
  const done = await mine.submit(page, { sessionId: String(sid) }, '/account/sessions/end')
  assert.match(done.html, /That session is over/)
  assert(await isDenied(provider.house, sid))
  await refused(web.refresh(theirs.refresh_token ?? ''), 'invalid_grant')
})

test("nobody ends somebody else's session, known or not", async () => {
  const [ada, eve] = [await provider.customer(), await provider.customer()]
  const theirs = await web.signIn(openVisitor(provider.issuer), ada)
  const { sid } = decodeJwt(theirs.access_token)
  const visitor = openVisitor(provider.issuer)
  await web.signIn(visitor, eve)
  const page = await account(visitor, eve)
  const done = await visitor.submit(page, { sessionId: String(sid) }, '/account/sessions/end')
  assert.equal(done.status, 404)
  await web.refresh(theirs.refresh_token ?? '')
})

test('all other sessions end at once, and this browser stays', async () => {
  const ada = await provider.customer()
  const others = [openVisitor(provider.issuer), openVisitor(provider.issuer)]
  const ended = []
  for (const other of others) ended.push(await web.signIn(other, ada))
  const mine = openVisitor(provider.issuer)
  const stays = await web.signIn(mine, ada)
  await mine.submit(await account(mine, ada), {}, '/account/sessions/end-others')
  for (const { refresh_token = '' } of ended)
    await refused(web.refresh(refresh_token), 'invalid_grant')
  const silent = await others[0]?.open((await web.begin({ prompt: 'none' })).url)
  assert.equal(silent?.url.searchParams.get('error'), 'login_required')
  await web.refresh(stays.refresh_token ?? '')
  assert.equal((await account(mine, ada)).url.pathname, '/account')
})

test('whoever changes how they sign in has shown a factor within ten minutes', async () => {
  const ada = await provider.customer()
  const visitor = openVisitor(provider.issuer)
  await web.signIn(visitor, ada)
  await rewrite(provider.house, 'Session', 'loginTs', Math.floor(Date.now() / 1_000) - 601)
  const page = await account(visitor, ada)
  const asked = await visitor.submit(page, {}, '/account/totp')
  assert.match(asked.html, /Confirm that it is you/)
  const back = await signInOn(visitor, asked, ada)
  const setUp = await visitor.submit(back, {}, '/account/totp')
  assert.match(setUp.html, /Set up an authenticator app/)
})

test('a session of an app that is known no more stands in the list by its id, and ends', async () => {
  const ada = await provider.customer()
  const visitor = openVisitor(provider.issuer)
  const tokens = await web.signIn(openVisitor(provider.issuer), ada)
  const sessionId = String(decodeJwt(tokens.access_token)['sid'])
  await provider.house.world.pool.query(
    `update session set client_id = 'taken-out' where session_id = $1`,
    [parseId('sess', sessionId)],
  )
  const page = await account(visitor, ada)
  assert.equal(page.status, 200)
  assert.match(page.html, /taken-out/)
  const done = await visitor.submit(page, { sessionId }, '/account/sessions/end')
  assert.match(done.html, /That session is over/)
})
