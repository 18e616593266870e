import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { after, before, test } from 'node:test'
import { inspect } from 'node:util'
import { decodeJwt } from 'jose'
import { createActiveDirectory } from '../../src/auth/directories/active-directory.ts'
import { standingOrLess } from '../../src/auth/sessions/standing.ts'
import { systemClock } from '../../src/time.ts'
import { openCommandLine, signInThrough } from '../bin/command-line.ts'
import { ask, moveAsk, readBalance, userOf } from '../chaos/kit/caller.ts'
import type { Caller, Transaction } from '../chaos/kit/caller.ts'
import { component } from '../kit/components.ts'
import { domainGroups } from '../kit/domain/seed.ts'
import { until } from '../kit/until.ts'
import { refused, signInOn } from './kit/app.ts'
import { demo, demoPassword, newcomer, openDomainHouse } from './kit/domain-house.ts'
import type { DomainHouse, Session } from './kit/domain-house.ts'
import type { Customer } from './kit/provider.ts'
import { openVisitor } from './kit/visitor.ts'
import type { Page, Visitor } from './kit/visitor.ts'

/**
 * The whole service as processes of its own, and a domain of Active Directory, by Samba: people
 * sign in against it, and it stops. Whoever has signed in before goes on paying.
 */
const { missing } = component('samba')
const options = missing === null ? {} : { skip: missing }
let house: DomainHouse
if (missing === null) {
  before(async () => {
    house = await openDomainHouse()
  })
  after(async () => await house.close())
}

const DISABLED = '514'
/** A refresh that a deaf controller holds up: a kept connection, then a new one. */
const DEAF_MS = 9_500

function rolesIn(accessToken: string): unknown {
  return decodeJwt(accessToken)['roles'] ?? []
}

function callerOf({ userId, accessToken: token }: Session): Caller {
  return { userId: userOf(userId), name: userId, bank: '', token }
}

/** Pays a dollar over the API; the answer must say that it was done. */
async function payDollar(from: Session, to: Session): Promise<void> {
  const key = randomUUID()
  const move = {
    kind: 'payment',
    caller: callerOf(from),
    payee: to.userId,
    cents: 100n,
    key,
  } as const
  const { status, body } = await ask<Transaction>(house.service.api, moveAsk(move))
  assert.equal(status, 200, JSON.stringify(body))
  assert.equal(body.status, 'accepted')
}

/** What an administrator changes. */
async function change(dn: string, values: Readonly<Record<string, string | string[]>>) {
  await house.asAdmin(async (admin) => await admin.replace(dn, values))
}

async function signInPage(visitor: Visitor): Promise<Page> {
  return await visitor.open((await house.web.begin()).url)
}

async function begin() {
  const visitor = openVisitor(house.issuer)
  const begun = await house.web.begin()
  return { visitor, begun, page: await visitor.open(begun.url) }
}

/** What the API refuses, by its code. */
async function refusedAt(path: string, body: object, token?: string) {
  const {
    status,
    body: told,
    headers,
  } = await house.post<{ code: string }>(path, body, {
    ...(token !== undefined && { token }),
  })
  return { status, code: told.code, retryAfter: headers.get('retry-after') }
}

test('people sign up and in, at the API and on the pages', options, async () => {
  const ada = await house.customer()
  const session = await house.signIn(ada.email, ada.password)
  const next = await house.refresh(session)
  assert.equal(next.userId, ada.id)
  assert.deepEqual(await refusedAt('/v1/session', { login: ada.email, password: 'not hers' }), {
    status: 401,
    code: 'credentials_invalid',
    retryAfter: null,
  })
  const tokens = await house.web.signIn(openVisitor(house.issuer), ada)
  assert.equal(decodeJwt(tokens.access_token).sub, ada.id)
  assert.equal((await house.web.refresh(tokens.refresh_token ?? '')).token_type, 'bearer')

  const { visitor, begun, page } = await begin()
  const form = await visitor.open(`${page.url.href}/register`)
  const ben = newcomer()
  const typed = { ...ben, displayName: 'Ben', handle: '' }
  const back = await visitor.submit(form, typed, '/register')
  const { access_token: accessToken } = await house.web.finish(begun, back.url)
  const bens = await house.signIn(ben.phoneNumber, ben.password)
  assert.equal(decodeJwt(accessToken).sub, bens.userId)
  await house.dnOf(bens.userId)
})

test('groups of the domain give roles, and roles open what is for staff', options, async () => {
  const [ann, sue, target] = [
    await house.customer(),
    await house.customer(),
    await house.customer(),
  ]
  const freeze = `/v1/user/${target.id}/freeze`
  const before = await house.signIn(ann.email, ann.password)
  assert.deepEqual(rolesIn(before.accessToken), [])
  assert.equal((await refusedAt(freeze, {}, before.accessToken)).status, 403)

  await house.addMember(domainGroups.operator, ann.id)
  await house.addMember(domainGroups.nightShift, sue.id)
  const operator = await house.refresh(before)
  const support = await house.signIn(sue.email, sue.password)
  assert.deepEqual(rolesIn(operator.accessToken), ['operator'])
  assert.deepEqual(rolesIn(support.accessToken), ['support'])
  assert.equal((await refusedAt(freeze, {}, support.accessToken)).status, 403)
  const frozen = await house.post<{ status: string }>(freeze, {}, { token: operator.accessToken })
  assert.equal(frozen.status, 200, JSON.stringify(frozen.body))
  const looked = await ask<{ status: string }>(house.service.api, {
    method: 'GET',
    path: `/v1/user/${target.id}`,
    token: support.accessToken,
  })
  assert.equal(looked.body.status, 'frozen', JSON.stringify(looked.body))

  await change(domainGroups.operator, { member: [] })
  const after = await house.refresh(operator)
  assert.deepEqual(rolesIn(after.accessToken), [])
  const thaw = `/v1/user/${target.id}/thaw`
  assert.equal((await refusedAt(thaw, {}, after.accessToken)).status, 403)
})

test('a group that is named wrongly takes its role, and says so', options, async (t) => {
  const ann = await house.customer()
  await house.addMember(domainGroups.operator, ann.id)
  const { domain, database } = house
  const config = { ...domain.config, operatorGroupDn: `CN=Oparators,${domain.domainDn}` }
  const parts = { db: database.pool, config, ca: domain.ca, clock: systemClock }
  const directory = createActiveDirectory(parts)
  t.after(directory.close)
  const heard: unknown[] = []
  const hear = (event: unknown): void => void heard.push(event)
  subscribe('farthing:auth.trouble', hear)
  t.after(() => unsubscribe('farthing:auth.trouble', hear))
  const standing = await standingOrLess(directory, systemClock)(userOf(ann.id))
  assert.deepEqual(standing, { open: true, roles: [] })
  assert.match(inspect(heard, { depth: 5 }), /AD_OPERATOR_GROUP_DN names no group/)
})

async function onAccount(visitor: Visitor, path: string, customer: Customer): Promise<Page> {
  const page = await visitor.open(house.issuer + path)
  const next = await signInOn(visitor, page, customer)
  return next.url.pathname === path ? next : await visitor.open(house.issuer + path)
}

test('a password is changed on the page of the account', options, async () => {
  const ada = await house.customer()
  const elsewhere = await house.web.signIn(openVisitor(house.issuer), ada)
  const visitor = openVisitor(house.issuer)
  const form = await onAccount(visitor, '/account/password', ada)
  const password = `${ada.password}, and one more`
  const weak = await visitor.submit(form, { before: ada.password, password: 'ten lamps!' })
  assert.match(weak.html, /is not allowed by the rules of the domain/)
  const wrong = await visitor.submit(form, { before: 'not hers', password })
  assert.match(wrong.html, /<h1>Change your password<\/h1>/)
  const done = await visitor.submit(form, { before: ada.password, password })
  assert.match(done.html, /Your password is changed/)
  await refused(house.web.refresh(elsewhere.refresh_token ?? ''), 'invalid_grant')
  const old = await refusedAt('/v1/session', { login: ada.email, password: ada.password })
  assert.equal(old.code, 'credentials_invalid')
  assert.equal((await house.signIn(ada.email, password)).userId, ada.id)
})

test('whom an administrator disables neither signs in nor refreshes', options, async () => {
  const ada = await house.customer()
  const visitor = openVisitor(house.issuer)
  const tokens = await house.web.signIn(visitor, ada)
  const session = await house.signIn(ada.email, ada.password)
  await change(await house.dnOf(ada.id), { userAccountControl: DISABLED })

  const login = { login: ada.email, password: ada.password }
  assert.equal((await refusedAt('/v1/session', login)).code, 'credentials_invalid')
  const { refreshToken } = session
  const again = await refusedAt('/v1/session/refresh', { refreshToken })
  assert.equal(again.code, 'refresh_token_invalid')
  await refused(house.web.refresh(tokens.refresh_token ?? ''), 'invalid_grant')
  const fresh = openVisitor(house.issuer)
  const page = await signInOn(fresh, await signInPage(fresh), ada)
  assert.match(page.html, /<h1>Sign in<\/h1>/)
  // Their browser is still signed in at the provider: what it gets there is worth nothing.
  const silent = await house.web.begin({ prompt: 'none' })
  const { url } = await visitor.open(silent.url)
  if (url.searchParams.has('code')) await refused(house.web.finish(silent, url), 'invalid_grant')
  else assert.equal(url.searchParams.get('error'), 'login_required')
})

test('a password that must be changed is changed on the way in', options, async () => {
  const ada = await house.customer()
  const elsewhere = await house.signIn(ada.email, ada.password)
  await change(await house.dnOf(ada.id), { pwdLastSet: '0' })
  const login = { login: ada.email, password: ada.password }
  assert.equal((await refusedAt('/v1/session', login)).code, 'password_expired')

  const { visitor, begun, page } = await begin()
  const asked = await signInOn(visitor, page, ada)
  assert.match(asked.html, /<h1>Choose a new password<\/h1>/)
  const same = { before: ada.password, password: 'short' }
  const again = await visitor.submit(asked, same, '/new-password')
  assert.match(again.html, /<h1>Choose a new password<\/h1>/)
  const guess = { before: 'not hers', password: ada.password }
  assert.match((await visitor.submit(again, guess, '/new-password')).html, /Choose a new password/)
  const password = `${ada.password} in spring`
  const back = await visitor.submit(again, { before: ada.password, password }, '/new-password')
  const tokens = await house.web.finish(begun, back.url)
  assert.equal(decodeJwt(tokens.access_token).sub, ada.id)
  // As with every change of a password, whoever was in with the one before is out.
  const { refreshToken } = elsewhere
  const over = await refusedAt('/v1/session/refresh', { refreshToken })
  assert.equal(over.code, 'refresh_token_invalid')
  assert.equal((await refusedAt('/v1/session', login)).code, 'credentials_invalid')
  assert.equal((await house.signIn(ada.email, password)).userId, ada.id)
})

/** Everyone of the story, signed in while the domain answers. */
async function signedIn() {
  const [alice, bob] = [
    await house.signIn(demo.alice, demoPassword),
    await house.signIn(demo.bob, demoPassword),
  ]
  const ann = await house.customer()
  await house.addMember(domainGroups.operator, ann.id)
  const operator = await house.signIn(ann.email, ann.password)
  assert.deepEqual(rolesIn(operator.accessToken), ['operator'])
  const person = { ...newcomer(), email: demo.alice, password: demoPassword, id: alice.userId }
  const visitor = openVisitor(house.issuer)
  const app = await house.web.signIn(visitor, person)
  return { alice, bob, ann, operator, person, visitor, app }
}

const away = { status: 503, code: 'directory_unavailable' } as const

async function assertAway(path: string, body: object): Promise<void> {
  const { retryAfter, ...told } = await refusedAt(path, body)
  assert.deepEqual(told, away)
  assert.match(retryAfter ?? '', /^\d+$/)
}

function assertAwayPage({ status, html }: Page): void {
  assert.equal(status, 503)
  assert.match(html, /<h1>Directory unavailable<\/h1>/)
  assert.match(html, /Signing in and up does not work right now/)
}

test(
  'the controller stops: who is signed in pays, nobody new comes in, and all heals by itself',
  options,
  async (t) => {
    const line = await openCommandLine(house.settings)
    t.after(line.close)
    const { alice, bob, ann, operator, person, visitor, app } = await signedIn()
    const signed = await signInThrough(line, house.issuer, person)
    assert.equal(signed.code, 0, signed.output)
    const account = await visitor.open(`${house.issuer}/account/password`)
    const waiting = await begin()
    const register = await waiting.visitor.open(`${waiting.page.url.href}/register`)
    const pid = house.service.pid()
    const funds = async () =>
      await Promise.all(
        [alice, bob].map(async (one) => await readBalance(house.service.api, callerOf(one))),
      )
    const [hers = 0n, his = 0n] = await funds()

    await house.domain.stop()

    await payDollar(alice, bob)
    const next = await house.refresh(alice)
    await payDollar(next, bob)
    const refreshed = await house.web.refresh(app.refresh_token ?? '')
    await payDollar({ ...alice, accessToken: refreshed.access_token }, bob)
    await line.rewrite({ expiresAtMs: 0 })
    assert.match((await line.run('whoami')).output, /^alice \(Alice\), user_/)

    const without = await house.refresh(operator)
    assert.deepEqual(rolesIn(without.accessToken), [])
    const freeze = `/v1/user/${bob.userId}/freeze`
    assert.equal((await refusedAt(freeze, {}, without.accessToken)).status, 403)

    const late = newcomer()
    const key = randomUUID()
    await assertAway('/v1/session', { login: ann.email, password: ann.password })
    await assertAway('/v1/session', { login: 'nobody', password: 'at all' })
    await assertAway('/v1/user', late)
    assert.equal((await house.post('/v1/user', late, { key })).status, 503)
    assertAwayPage(await signInOn(waiting.visitor, waiting.page, person))
    const typed = { ...newcomer(), displayName: '', handle: '' }
    assertAwayPage(await waiting.visitor.submit(register, typed, '/register'))
    const asked = { before: demoPassword, password: 'copper kettle off the hob' }
    assertAwayPage(await visitor.submit(account, asked, '/account/password'))
    const told = house.service.output().match(/.*sessions go on without their roles.*/g) ?? []
    assert.equal(told.length, 1, 'an outage is told once a minute')
    assert.match(told[0] ?? '', /ECONNREFUSED/)

    await house.domain.start()
    await until('people sign in again', async () => {
      const login = { login: ann.email, password: ann.password }
      return (await house.post('/v1/session', login)).status === 200
    })
    assert.deepEqual(rolesIn((await house.refresh(without)).accessToken), ['operator'])
    assert.equal((await house.post('/v1/user', late, { key })).status, 201)
    await house.signIn(late.email, late.password)
    const back = await signInOn(waiting.visitor, waiting.page, person)
    await house.web.finish(waiting.begun, back.url)
    assert.equal((await line.run('whoami')).code, 0)
    assert.equal((await line.run('sign-out')).code, 0)
    assert.equal(house.service.pid(), pid)
    assert.equal(house.service.endings(), 0)
    assert.deepEqual(await funds(), [hers - 300n, his + 300n])
  },
)

test('nor does a controller that is deaf keep a payer or a refresh', options, async () => {
  const { alice, bob, operator } = await signedIn()
  house.domain.pause()
  await payDollar(alice, bob)
  const begun = performance.now()
  const crowd = await Promise.all([operator, bob].map(house.refresh))
  assert(performance.now() - begun < DEAF_MS)
  for (const { accessToken } of crowd) assert.deepEqual(rolesIn(accessToken), [])
  await payDollar(crowd[1] ?? assert.fail(), alice)
  house.domain.resume()
  await until('roles are back', async () => {
    const { accessToken } = await house.signIn(demo.bob, demoPassword).catch(() => bob)
    return accessToken !== bob.accessToken
  })
})

test('through all of it the books are right', options, async () => {
  const line = await openCommandLine(house.settings)
  const { code, output } = await line.run('audit')
  await line.close()
  assert.equal(code, 0, output)
  assert.match(output, /The books are right: all \d+ invariants hold/)
})
