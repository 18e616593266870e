import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { createFactors } from '../../../src/auth/factors/factors.ts'
import { AppError } from '../../../src/errors.ts'
import { testSite } from '../../kit/auth.ts'
import type { Authenticator, Forgery } from './authenticator.ts'
import { freshDatabase } from '../../kit/database.ts'
import type { FreshDatabase } from '../../kit/database.ts'
import { refusedAs } from '../../kit/refused.ts'
import { add, handleOf, holder, nobody, phone, show, stick } from './holder.ts'
import { eventsOf, someone, whence, world } from './someone.ts'

let database: FreshDatabase

before(async () => {
  database = await freshDatabase()
})
after(async () => await database.drop())

const withPasskey = async (device?: Authenticator) => await holder(database, device)

const { origin } = testSite

const forgeries: readonly (readonly [string, Forgery])[] = [
  ['made for another site', { origin: 'https://auth.test.evil.example' }],
  ['made for our host on plain another port', { origin: `${origin}:8080` }],
  ['under the domain of another site', { rpId: 'evil.example' }],
  ['without a finger or a PIN', { verified: false }],
  ['without a touch', { present: false }],
  ['in a frame of another site', { crossOrigin: true }],
  ['for a challenge that nobody handed out', { challenge: 'A'.repeat(43) }],
  ['for an empty challenge', { challenge: '' }],
]

for (const [what, forged] of forgeries) {
  test(`no passkey is taken that was made ${what}`, async () => {
    const here = await world(database)
    await refusedAs('passkey_refused', add(here, phone(), forged))
    assert.deepEqual(await here.factors.passkeys.list(here.user.userId), [])
    assert.deepEqual(await eventsOf(database, here.user.userId), [])
  })

  test(`no passkey opens anything that was shown ${what}`, async () => {
    const here = await withPasskey()
    await refusedAs('passkey_refused', show(here, here.device, forged))
    assert.equal((await here.factors.passkeys.list(here.userId))[0]?.usedAt, null)
    await show(here, here.device)
  })
}

test('one is no answer to the other', async () => {
  const here = await withPasskey()
  const { device } = here
  await refusedAs('passkey_refused', show(here, device, { type: 'webauthn.create' }))
  await refusedAs('passkey_refused', add(here, phone(), { type: 'webauthn.get' }))
})

test('a signature with one bit changed is refused, and written down', async () => {
  const here = await withPasskey()
  await refusedAs('passkey_refused', show(here, here.device, { tampered: true }))
  const lines = await eventsOf(database, here.userId)
  assert.deepEqual(lines, ['passkey_added done', 'sign_in refused passkey wrong'])
})

test('an attestation with certificates is refused before it is looked at', async () => {
  const here = await world(database)
  for (const certified of ['packed', 'apple', 'android-key', 'tpm', 'fido-u2f', 'else']) {
    await assert.rejects(add(here, phone(), { certified }), (error) => {
      assert(error instanceof AppError && error.code === 'passkey_refused')
      return error.cause instanceof Error && /nobody asked for/.test(error.cause.message)
    })
  }
})

test('an algorithm that we did not name is refused', async () => {
  await refusedAs('passkey_refused', add(await world(database), phone(), { algorithm: -47 }))
})

test("another user's passkey does not sign in as somebody", async () => {
  const [ann, bob] = [await withPasskey(), await withPasskey()]
  const asBob = { userHandle: handleOf(bob.userId) }
  await refusedAs('passkey_refused', show(ann, ann.device, asBob))
  const known = { binding: 'step-up', userId: bob.userId }
  await refusedAs('passkey_refused', show(ann, ann.device, {}, known))
  await refusedAs('passkey_refused', show(ann, ann.device, asBob, known))
  await refusedAs('passkey_refused', show(ann, ann.device, { userHandle: null }, known))
  for (const userHandle of [null, '', 'AAAA', 'not base64url', handleOf(bob.userId) + 'AA']) {
    await refusedAs('passkey_refused', show(ann, ann.device, { userHandle }))
  }
})

test("registering another user's credential id opens only what is one's own", async () => {
  const [ann, eve] = [await withPasskey(), await world(database)]
  const { credentialId } = ann.passkey
  const device = phone()
  await add(eve, device, { credentialId })
  assert.equal((await show(eve, device)).userId, eve.user.userId)
  const known = { binding: 'step-up', userId: ann.userId }
  const userHandle = handleOf(ann.userId)
  await refusedAs('passkey_refused', show(ann, device, { userHandle }))
  await refusedAs('passkey_refused', show(ann, device, { userHandle: null }, known))
  assert.equal((await show(ann, ann.device)).userId, ann.userId)
})

test('an answer works once', async () => {
  const here = await withPasskey()
  const { factors, device } = here
  const options = await factors.passkeys.authenticationOptions(nobody)
  const answer = { ...nobody, response: device.get(options) }
  const eight = Array.from({ length: 8 }, async () => {
    return await factors.passkeys.authenticate(answer, whence)
  })
  const done = await Promise.allSettled(eight)
  assert.equal(done.filter(({ status }) => status === 'fulfilled').length, 1)
  await refusedAs('passkey_refused', factors.passkeys.authenticate(answer, whence))
})

test('a challenge is good for its purpose, user and binding alone, and stays for them', async () => {
  const here = await withPasskey()
  const { factors, device, userId } = here
  const { userId: other } = await someone(database)
  const options = await factors.passkeys.authenticationOptions(nobody)
  const response = device.get(options)
  const elsewhere = [
    { binding: 'interaction-2', userId: null },
    { binding: 'interaction-1', userId },
    { binding: '', userId: null },
  ]
  for (const question of elsewhere) {
    const answer = { ...question, response }
    await refusedAs('passkey_refused', factors.passkeys.authenticate(answer, whence))
  }
  const making = await factors.passkeys.registrationOptions(userId)
  const create = phone().create({ ...making, challenge: options.challenge })
  const asMade = { userId, response: create, name: 'x' }
  await refusedAs('passkey_refused', factors.passkeys.register(asMade, whence))
  const made = { response: phone().create(making), name: 'x' }
  await refusedAs('passkey_refused', factors.passkeys.register({ ...made, userId: other }, whence))
  await factors.passkeys.register({ ...made, userId }, whence)
  await factors.passkeys.authenticate({ ...nobody, response }, whence)
})

test('a ticket of another purpose is no challenge', async () => {
  const { factors, user } = await world(database)
  const { userId } = user
  const response = phone().create(await factors.passkeys.registrationOptions(userId))
  const turned = async (purpose: string) => {
    const text = 'update auth_ticket set purpose = $2 where user_id = $1'
    await database.pool.query(text, [userId, purpose])
  }
  const ask = { userId, response, name: 'x' }
  await turned('password-reset')
  await refusedAs('passkey_refused', factors.passkeys.register(ask, whence))
  await turned('passkey-registration')
  await factors.passkeys.register(ask, whence)
})

test('a counter that goes back, or stands still, is refused and written down', async () => {
  const here = await withPasskey(stick())
  const { device, userId } = here
  await show(here, device)
  await show(here, device, { counter: 7 })
  for (const counter of [7, 6, 0]) {
    await refusedAs('passkey_refused', show(here, device, { counter }))
  }
  await refusedAs('passkey_refused', show(here, device, { counter: 99, tampered: true }))
  const lines = (await eventsOf(database, userId)).slice(1)
  const back = 'sign_in refused passkey counter went back'
  assert.deepEqual(lines, [back, back, back, 'sign_in refused passkey wrong'])
  await show(here, device, { counter: 8 })
  await show(here, device, { counter: 4_294_967_295 })
})

test('of two copies that show the same count at once, one gets in', async () => {
  const here = await withPasskey(stick())
  const shown = [1, 2, 3, 4].map(async () => await show(here, here.device, { counter: 5 }))
  const done = await Promise.allSettled(shown)
  assert.equal(done.filter(({ status }) => status === 'fulfilled').length, 1)
})

test('responses of any other shape are refused, and nothing breaks', async () => {
  const here = await withPasskey()
  const { factors, device, userId } = here
  const options = await factors.passkeys.authenticationOptions(nobody)
  const response = device.get(options)
  const inner = response.response
  const clientData = (text: string) => ({
    ...response,
    response: { ...inner, clientDataJSON: Buffer.from(text).toString('base64url') },
  })
  const shapes: unknown[] = [
    null,
    undefined,
    1,
    'text',
    [],
    {},
    { id: 1 },
    { response: null },
    { response: [] },
    clientData(''),
    clientData('[]'),
    clientData('null'),
    clientData('{"challenge":1}'),
    clientData('{"__proto__":{"challenge":"x"}}'),
  ]
  for (const shape of shapes) {
    const ask = { ...nobody, response: shape }
    await refusedAs('passkey_refused', factors.passkeys.authenticate(ask, whence))
    const made = { userId, response: shape, name: 'x' }
    await refusedAs('passkey_refused', factors.passkeys.register(made, whence))
  }
  await factors.passkeys.authenticate({ ...nobody, response }, whence)
})

test('behind a good challenge too, a broken response is refused', async () => {
  const here = await withPasskey()
  const { factors, device, userId } = here
  const broken: Record<string, unknown>[] = [
    { id: undefined },
    { id: 'A\u0000' },
    { id: 7 },
    { rawId: 'other' },
    { type: 'password' },
    { authenticatorData: 'AAAA' },
    { authenticatorData: null },
    { signature: '' },
    { signature: 'AAAA' },
    { signature: '!' },
    { userHandle: 5 },
    { attestationObject: 'AAAA' },
    { attestationObject: null },
    { attestationObject: 'A'.repeat(10_000) },
  ]
  for (const change of broken) {
    const question = await factors.passkeys.authenticationOptions(nobody)
    const shown = device.get(question)
    const response =
      change['attestationObject'] === undefined
        ? { ...shown, ...change, response: { ...shown.response, ...change } }
        : { ...shown, id: '' }
    const answer = { ...nobody, response }
    await refusedAs('passkey_refused', factors.passkeys.authenticate(answer, whence))
    const made = phone().create(await factors.passkeys.registrationOptions(userId))
    const changed = { ...made, ...change, response: { ...made.response, ...change } }
    if ('signature' in change || 'userHandle' in change || 'authenticatorData' in change) continue
    const ask = { userId, response: changed, name: 'x' }
    await refusedAs('passkey_refused', factors.passkeys.register(ask, whence))
  }
  assert.equal((await factors.passkeys.list(userId)).length, 1)
})

test('only ways to reach a passkey that are known are kept', async () => {
  const here = await world(database)
  const lies = ['usb', 'usb', 'x'.repeat(10_000), 7, null, 'nfc']
  await add(here, phone(), { transports: lies })
  here.pass(1n)
  await add(here, phone(), { transports: 'usb' })
  const { excludeCredentials } = await here.factors.passkeys.registrationOptions(here.user.userId)
  assert.deepEqual(
    excludeCredentials?.map(({ transports }) => transports),
    [['nfc', 'usb'], []],
  )
})

test('a passkey is taken where it was made for, and nowhere else', async () => {
  const here = await withPasskey()
  const moved = { rpId: 'auth.test', origin: 'https://other.auth.test' }
  const elsewhere = createFactors({ ...here.parts, site: moved })
  await refusedAs('passkey_refused', show({ ...here, factors: elsewhere }, here.device))
})
