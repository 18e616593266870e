import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { inTransaction } from '../../src/db/tx.ts'
import { parseId } from '../../src/ids/ids.ts'
import { lockUser } from '../../src/users/store.ts'
import { untilLocked } from '../kit/until.ts'
import { openApp, signInOn } from './kit/app.ts'
import type { App } from './kit/app.ts'
import { openProvider } from './kit/provider.ts'
import type { Customer, OpenProvider } from './kit/provider.ts'
import { sessionsOf } from './kit/rows.ts'
import { openVisitor } from './kit/visitor.ts'
import type { Page, Visitor } from './kit/visitor.ts'
import { letter, linkIn, provenCustomer, withApp } from './recovery/kit.ts'

const password = 'eleven slow herons'
/** Of a thief who asks without a pause. */
const LOOPS = 4
const SECOND_MS = 1_000
const transaction = { lockTimeoutMs: 5_000 }

let provider: OpenProvider
let web: App
before(async () => {
  provider = await openProvider()
  web = await openApp(provider)
})
after(async () => await provider.close())

/** The owner, at home in a browser of their own. */
async function atHome(ada: Customer, code?: string): Promise<Visitor> {
  const visitor = openVisitor(provider.issuer)
  const page = await signInOn(visitor, await visitor.open(`${provider.issuer}/account`), ada)
  const done = code === undefined ? page : await visitor.submit(page, { code }, '/code')
  assert.equal(done.url.pathname, '/account', done.html)
  return visitor
}

async function changePassword(visitor: Visitor, { password: before }: Customer): Promise<void> {
  const form = await visitor.open(`${provider.issuer}/account/password`)
  const done = await visitor.submit(form, { before, password }, '/account/password')
  assert.match(done.html, /Your password is changed/)
}

async function resetPassword(ada: Customer, code = ''): Promise<void> {
  const visitor = openVisitor(provider.issuer)
  const { issuer } = provider
  await visitor.submit(await visitor.open(`${issuer}/reset`), { login: ada.email })
  const body = await letter(provider, ada.email, 'Reset your Farthing password')
  const form = await visitor.open(linkIn(provider, body))
  const done = await visitor.submit(form, { password, ...(code !== '' && { code }) })
  assert.match(done.html, /Your password is changed/)
}

/** Somebody who has copied the cookies of a browser. */
function thiefOf(victim: Visitor) {
  const cookie = victim.cookies(`${provider.issuer}/auth`)
  assert.match(cookie, /_session=/)
  const ask = async (url: URL | string): Promise<URL> => {
    const headers = { cookie, accept: 'text/html' }
    const answer = await fetch(url, { redirect: 'manual', headers })
    await answer.body?.cancel()
    return new URL(answer.headers.get('location') ?? '/', provider.issuer)
  }
  const silently = async (): Promise<URLSearchParams> =>
    (await ask((await web.begin({ prompt: 'none' })).url)).searchParams
  return { ask, silently }
}

type Row = Readonly<{ id: string; payload: object; uid: string; expires_at: bigint | null }>

async function browsersOf({ id }: Customer): Promise<readonly Row[]> {
  const { rows } = await provider.house.world.pool.query<Row>(
    `select * from oidc_payload where kind = 'Session' and payload ->> 'accountId' = $1`,
    [id],
  )
  return rows
}

/** As a request does that had read the row before it went. */
async function writeBack(rows: readonly Row[]): Promise<void> {
  for (const { id, payload, uid } of rows) {
    await provider.house.world.pool.query(
      `insert into oidc_payload (kind, id, payload, uid) values ('Session', $1, $2, $3)
       on conflict (kind, id) do update set payload = excluded.payload, uid = excluded.uid`,
      [id, JSON.stringify(payload), uid],
    )
  }
}

const endings: readonly (readonly [string, (ada: Customer, owner: Visitor) => Promise<void>])[] = [
  ['changed', async (ada, owner) => await changePassword(owner, ada)],
  ['reset', async (ada) => await resetPassword(ada)],
]
for (const [how, end] of endings) {
  test(`a stolen cookie opens nothing once the password is ${how}, however it is asked with`, async () => {
    const ada = await provenCustomer(provider)
    const stolen = openVisitor(provider.issuer)
    await web.signIn(stolen, ada)
    const rows = await browsersOf(ada)
    assert.equal(rows.length, 1)
    const owner = await atHome(ada)
    const thief = thiefOf(stolen)
    assert((await thief.silently()).has('code'))

    const over = new AbortController()
    const looping = Array.from({ length: LOOPS }, async () => {
      while (!over.signal.aborted) await thief.silently()
    })
    await end(ada, owner)
    over.abort()
    await Promise.all(looping)

    for (const back of [[], rows]) {
      await writeBack(back)
      assert.equal((await thief.silently()).get('error'), 'login_required')
      assert.equal((await thief.ask(`${provider.issuer}/account`)).pathname, '/auth')
    }
    const open = (await sessionsOf(provider.house, ada.id)).filter(({ ended }) => !ended)
    assert.deepEqual(
      open.map(({ client_id }) => client_id),
      how === 'changed' ? ['account'] : [],
    )
  })
}

/** Sends the form, and does not follow where it leads. */
async function post(visitor: Visitor, page: Page, step: string, fields: Record<string, string>) {
  return await visitor.send(`${page.url.href}/${step}`, {
    method: 'POST',
    headers: { origin: provider.issuer },
    body: new URLSearchParams(fields),
  })
}

for (const [how, end] of endings) {
  test(`a sign-in that goes on only after its password is ${how} begins anew`, async () => {
    const ada = await provenCustomer(provider)
    const owner = await atHome(ada)
    const late = openVisitor(provider.issuer)
    const asked = await late.open((await web.begin()).url)
    const posted = await post(late, asked, 'password', { login: ada.email, password: ada.password })
    assert.equal(posted.status, 303)
    const { pathname } = new URL(posted.headers.get('location') ?? '', provider.issuer)
    assert.match(pathname, /^\/auth\//, 'it was right, and would go on')
    await end(ada, owner)
    const page = await late.open(new URL(pathname, provider.issuer))
    assert.match(page.html, /name="password"/, page.url.href)
    const again = await late.open((await web.begin({ prompt: 'none' })).url)
    assert.equal(again.url.searchParams.get('error'), 'login_required')
  })
}

for (const how of ['changed', 'reset']) {
  test(`a second step behind a password that is ${how} meanwhile opens nothing`, async () => {
    const ada = await provenCustomer(provider)
    const { next, recoveryCode } = await withApp(provider, ada)
    const late = openVisitor(provider.issuer)
    const asked = await late.open((await web.begin()).url)
    const second = await signInOn(late, asked, ada)
    assert.match(second.html, /<h1>Second step<\/h1>/)
    if (how === 'changed') await changePassword(await atHome(ada, recoveryCode), ada)
    else await resetPassword(ada, recoveryCode)
    // In the same second the provider, which counts whole ones, would ask again by itself.
    await sleep(SECOND_MS)
    const done = await late.submit(second, { code: next() }, '/code')
    assert.equal(done.url.origin, provider.issuer, done.url.href)
    const silent = await late.open((await web.begin({ prompt: 'none' })).url)
    assert.equal(silent.url.searchParams.get('error'), 'login_required')
  })
}

test('a session that would begin behind a sign-out does not, though its password was right', async () => {
  const ada = await provider.customer()
  const userId = parseId('user', ada.id) ?? assert.fail()
  const { pool, auth } = provider.house.world
  const ask = { login: ada.email, password: ada.password }
  const signingIn = await inTransaction(
    pool,
    async (tx) => {
      await lockUser(tx, userId)
      const asking = provider.house.stranger.ask('POST', '/v1/session', ask)
      // Its password was looked at, and its session waits for the row of its user.
      await untilLocked(pool, 1)
      await auth.sessions.endAll(tx, userId, null)
      return { asking }
    },
    transaction,
  )
  const { status, body } = await signingIn.asking
  assert.deepEqual([status, body['code']], [401, 'credentials_invalid'])
  assert.deepEqual(await sessionsOf(provider.house, ada.id), [])
  assert.equal((await provider.house.stranger.ask('POST', '/v1/session', ask)).status, 200)
})
