import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { parseId } from '../../../src/ids/ids.ts'
import { printTime } from '../../../src/time.ts'
import { signInOn } from '../kit/app.ts'
import { openProvider } from '../kit/provider.ts'
import type { Customer, OpenProvider } from '../kit/provider.ts'
import { openVisitor } from '../kit/visitor.ts'
import type { Page, Visitor } from '../kit/visitor.ts'
import { letter, linkIn, provenCustomer, withApp } from './kit.ts'

const codeSubject = 'Your Farthing recovery code'

let provider: OpenProvider
before(async () => {
  provider = await openProvider()
})
after(async () => await provider.close())

/** The page that comes after login and password. */
async function ask(visitor: Visitor, ada: Customer): Promise<Page> {
  const page = await visitor.open(`${provider.issuer}/lost-factors`)
  const typed = { login: ada.email, password: ada.password }
  return await visitor.submit(page, typed, '/lost-factors')
}

async function codeFor(recipient: string): Promise<string> {
  const body = await letter(provider, recipient, codeSubject)
  return /\b\d{6}\b/.exec(body)?.[0] ?? assert.fail(body)
}

/** Both codes of theirs, as they came. */
async function codesOf({ email, phoneNumber }: Customer) {
  return { emailCode: await codeFor(email), phoneCode: await codeFor(phoneNumber) }
}

/** Up to the page that says how long it takes. */
async function begin(visitor: Visitor, ada: Customer): Promise<Page> {
  const page = await ask(visitor, ada)
  assert.match(page.html, /<h1>Enter both codes<\/h1>/)
  return await visitor.submit(page, await codesOf(ada), '/codes')
}

/** Lets the three days be over. */
async function waited({ id }: Customer): Promise<void> {
  const { pool, parts } = provider.house.world
  const { rowCount } = await pool.query(
    'update factor_reset set ready_at = $2 where user_id = $1',
    [parseId('user', id), printTime(parts.clock.now())],
  )
  assert.equal(rowCount, 1)
}

/** What `POST /v1/session` says to the password alone. */
async function alone({ email: login, password }: Customer): Promise<unknown> {
  const asked = { login, password }
  const { status, body } = await provider.house.stranger.ask('POST', '/v1/session', asked)
  return body['code'] ?? status
}

function alertOn({ html }: Page): string | undefined {
  return /role="alert">([^<]*)/.exec(html)?.[1]
}

test('password, two codes and three days take the second factors off', async () => {
  const ada = await provenCustomer(provider)
  await withApp(provider, ada)
  const visitor = openVisitor(provider.issuer)
  const waiting = await begin(visitor, ada)
  assert.match(waiting.html, /<h1>Now it takes three days<\/h1>/)
  const early = await ask(visitor, ada)
  assert.equal(early.html, waiting.html)
  assert.equal(await alone(ada), 'second_factor_required')

  await waited(ada)
  const done = await ask(visitor, ada)
  assert.match(done.html, /<h1>Your second factors are off<\/h1>/)
  assert.equal(await alone(ada), 200)
  await letter(provider, ada.phoneNumber, 'Your Farthing sign-in methods were removed')
})

test('one right code is not enough, and which is wrong is not told', async () => {
  const ada = await provenCustomer(provider)
  await withApp(provider, ada)
  const visitor = openVisitor(provider.issuer)
  const page = await ask(visitor, ada)
  const right = await codesOf(ada)
  const wrong = await visitor.submit(page, { ...right, emailCode: '000000' }, '/codes')
  const other = await visitor.submit(wrong, { ...right, phoneCode: '000000' }, '/codes')
  assert.match(alertOn(wrong) ?? '', /\w+/)
  assert.equal(alertOn(wrong), alertOn(other))
  const waiting = await visitor.submit(other, right, '/codes')
  assert.match(waiting.html, /<h1>Now it takes three days<\/h1>/)
})

test('the link in the letter asks, and its button keeps the second factors', async () => {
  const ada = await provenCustomer(provider)
  await withApp(provider, ada)
  await begin(openVisitor(provider.issuer), ada)
  const subject = 'Your Farthing sign-in methods are about to be removed'
  for (const recipient of [ada.email, ada.phoneNumber]) await letter(provider, recipient, subject)
  const link = linkIn(provider, await letter(provider, ada.phoneNumber, subject))
  const owner = openVisitor(provider.issuer)
  const page = await owner.open(link)
  assert.match(page.html, /<h1>Keep your second factors\?<\/h1>/)
  // Programs that look at mail follow links: that alone must end nothing.
  await waited(ada)
  const kept = await owner.submit(page)
  assert.match(kept.html, /<h1>They stay<\/h1>/)
  assert.match((await owner.submit(page)).html, /<h1>Nothing to end<\/h1>/)
  const thief = await ask(openVisitor(provider.issuer), ada)
  assert.match(thief.html, /<h1>Enter both codes<\/h1>/)
  assert.equal(await alone(ada), 'second_factor_required')
})

test('who signs in with the second factor ends it: it was not lost', async () => {
  const ada = await provenCustomer(provider)
  const { next } = await withApp(provider, ada)
  await begin(openVisitor(provider.issuer), ada)
  const owner = openVisitor(provider.issuer)
  const asked = await signInOn(owner, await owner.open(`${provider.issuer}/account`), ada)
  const page = await owner.submit(asked, { code: next() }, '/code')
  assert.match(page.html, /<h1>Account and security<\/h1>/)
  await letter(provider, ada.email, 'Your Farthing sign-in methods stay')
  await assert.rejects(waited(ada))
})

test('without the password, a second factor or proven contacts there is nothing to begin', async () => {
  const visitor = openVisitor(provider.issuer)
  const ada = await provenCustomer(provider)
  const wrong = await ask(visitor, { ...ada, password: 'wrong' })
  const unknown = await ask(visitor, { ...ada, email: 'nobody@example.com' })
  assert.match(wrong.html, /role="alert"/)
  assert.equal(unknown.html, wrong.html)
  assert.match((await ask(visitor, ada)).html, /You have no second factor/)
  const eve = await provider.customer()
  await withApp(provider, eve)
  assert.match((await ask(visitor, eve)).html, /must both have been proven for a day/)
})

test('who has not shown the password on the page before comes back to it', async () => {
  const visitor = openVisitor(provider.issuer)
  const ada = await provenCustomer(provider)
  await withApp(provider, ada)
  const page = await ask(visitor, ada)
  const slip = `${'e30.'.repeat(2)}x`
  const typed = { slip, emailCode: '000000', phoneCode: '000000' }
  const forged = await visitor.submit(page, typed, '/codes')
  assert.match(forged.html, /<h1>Lost your second factor\?<\/h1>/)
})
