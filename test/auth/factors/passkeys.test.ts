import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { eraseAllExpired } from '../../../src/auth/guard/erase.ts'
import { inTransaction } from '../../../src/db/tx.ts'
import { AppError } from '../../../src/errors.ts'
import { after as later, HOUR, MINUTE, SECOND } from '../../../src/time.ts'
import { setStatus } from '../../../src/users/freeze.ts'
import { testSite } from '../../kit/auth.ts'
import type { Authenticator } from './authenticator.ts'
import { freshDatabase } from '../../kit/database.ts'
import type { FreshDatabase } from '../../kit/database.ts'
import { refusedAs } from '../../kit/refused.ts'
import { add, holder, nobody, phone, show, stick } from './holder.ts'
import { eventsOf, rowsOf, someone, start, whence, world } from './someone.ts'

let database: FreshDatabase

before(async () => {
  database = await freshDatabase()
})
after(async () => await database.drop())

const withPasskey = async (device?: Authenticator) => await holder(database, device)

test('a passkey that was made signs its user in, known before or not', async () => {
  const here = await withPasskey()
  const { device, userId, passkey, pass, factors } = here
  pass(MINUTE)
  const { credentialId } = passkey
  const methods = ['swk', 'user', 'mfa']
  assert.deepEqual(await show(here, device), { userId, credentialId, methods })
  const known = { binding: 'step-up', userId }
  assert.deepEqual(await show(here, device, {}, known), { userId, credentialId, methods })
  assert.deepEqual(await show(here, device, { userHandle: null }, known), {
    userId,
    credentialId,
    methods,
  })
  const usedAt = later(start, MINUTE)
  const name = 'My phone'
  const listed = { credentialId, name, backedUp: true, createdAt: start, usedAt }
  assert.deepEqual(await factors.passkeys.list(userId), [listed])
  assert.deepEqual(await factors.enrolled(userId), { totp: false, passkeys: 1, recoveryCodes: 0 })
})

test('a key that never leaves its device says so', async () => {
  const here = await withPasskey(stick())
  assert.deepEqual((await show(here, here.device)).methods, ['hwk', 'user', 'mfa'])
  assert.equal(here.passkey.backedUp, false)
})

test('what a browser is asked for: a key that is found by itself, behind a finger or a PIN', async () => {
  const here = await withPasskey()
  const { factors, user, userId, passkey } = here
  const options = await factors.passkeys.registrationOptions(userId)
  const { authenticatorSelection: wanted, excludeCredentials = [] } = options
  assert.equal(wanted?.residentKey, 'required')
  assert.equal(wanted?.userVerification, 'required')
  assert.equal(options.attestation, 'none')
  assert.deepEqual(options.rp, { name: 'Farthing', id: testSite.rpId })
  assert.equal(options.user.name, user.email)
  assert.equal(
    options.user.id,
    Buffer.from(userId.replaceAll('-', ''), 'hex').toString('base64url'),
  )
  assert.deepEqual(
    excludeCredentials.map(({ id }) => id),
    [passkey.credentialId],
  )
  const asked = await factors.passkeys.authenticationOptions({ binding: 'b', userId })
  assert.deepEqual(
    asked.allowCredentials?.map(({ id }) => id),
    [passkey.credentialId],
  )
  const open = await factors.passkeys.authenticationOptions(nobody)
  assert.deepEqual([open.allowCredentials, open.userVerification], [[], 'required'])
  assert.equal(open.rpId, testSite.rpId)
})

test('the same credential twice is refused, and stays as it was', async () => {
  const here = await withPasskey()
  const { credentialId } = here.passkey
  await refusedAs('passkey_refused', add(here, phone(), { credentialId }))
  assert.equal((await show(here, here.device)).credentialId, credentialId)
})

test('a challenge is good for five minutes', async () => {
  const here = await withPasskey()
  const { factors, device, pass, userId } = here
  const making = await factors.passkeys.registrationOptions(userId)
  const [first, second] = [
    await factors.passkeys.authenticationOptions(nobody),
    await factors.passkeys.authenticationOptions(nobody),
  ]
  assert.equal(first.timeout, 300_000)
  pass(5n * MINUTE - SECOND)
  await factors.passkeys.authenticate({ ...nobody, response: device.get(first) }, whence)
  pass(SECOND)
  const late = { ...nobody, response: device.get(second) }
  await refusedAs('passkey_refused', factors.passkeys.authenticate(late, whence))
  const made = { userId, response: phone().create(making), name: 'late' }
  await refusedAs('passkey_refused', factors.passkeys.register(made, whence))
})

test('who is closed signs in no more; who is frozen does', async () => {
  const here = await withPasskey()
  const set = async (status: 'closed' | 'frozen') => {
    await inTransaction(database.pool, async (tx) => await setStatus(tx, here.userId, status), {
      lockTimeoutMs: 1_000,
    })
  }
  await set('frozen')
  await show(here, here.device)
  await set('closed')
  await refusedAs('passkey_refused', show(here, here.device))
})

test('a passkey gets another name from its owner alone', async () => {
  const here = await withPasskey()
  const { factors, userId, passkey } = here
  const { credentialId } = passkey
  const { userId: other } = await someone(database)
  await factors.passkeys.rename(userId, credentialId, '  Käthes Schlüssel 🔑 ')
  const names = async () => (await factors.passkeys.list(userId)).map(({ name }) => name)
  assert.deepEqual(await names(), ['Käthes Schlüssel 🔑'])
  await refusedAs('factor_unknown', factors.passkeys.rename(other, credentialId, 'mine'))
  await refusedAs('factor_unknown', factors.passkeys.rename(userId, 'A\u0000', 'mine'))
  for (const name of ['', '   ', 'a'.repeat(61), 'two\nlines', 'a\u202Eb', 'nul\u0000', '\uD800']) {
    await refusedAs('request_invalid', factors.passkeys.rename(userId, credentialId, name))
  }
  assert.deepEqual(await names(), ['Käthes Schlüssel 🔑'])
})

test('a passkey that is taken off opens nothing', async () => {
  const here = await withPasskey()
  const { factors, userId, passkey, device } = here
  const { userId: other } = await someone(database)
  const { credentialId } = passkey
  const options = await factors.passkeys.authenticationOptions(nobody)
  await refusedAs('factor_unknown', factors.passkeys.remove(other, credentialId, whence))
  await refusedAs('factor_unknown', factors.passkeys.remove(userId, 'A\u0000', whence))
  await factors.passkeys.remove(userId, credentialId, whence)
  await refusedAs('factor_unknown', factors.passkeys.remove(userId, credentialId, whence))
  const answer = { ...nobody, response: device.get(options) }
  await refusedAs('passkey_refused', factors.passkeys.authenticate(answer, whence))
  const question = { binding: 'b', userId }
  await refusedAs('factor_unknown', factors.passkeys.authenticationOptions(question))
  const lines = await eventsOf(database, userId)
  assert.deepEqual(lines, ['passkey_added done', 'passkey_removed done'])
})

test('recovery codes stay while one second factor is left, and go with the last', async () => {
  const here = await withPasskey()
  const { factors, userId, passkey } = here
  const second = await add(here, phone())
  await factors.recoveryCodes.make(userId, whence)
  const left = async () => (await factors.enrolled(userId)).recoveryCodes
  await factors.passkeys.remove(userId, passkey.credentialId, whence)
  assert.equal(await left(), 10)
  await factors.passkeys.remove(userId, second.credentialId, whence)
  assert.equal(await left(), 0)
})

test('a user has 20 passkeys at most, also when many are added at once', async () => {
  const here = await world(database)
  const { factors, user } = here
  const { userId } = user
  for (let i = 0; i < 18; i += 1) await add(here, phone())
  const four = await Promise.all(
    [1, 2, 3, 4].map(async () => {
      const options = await factors.passkeys.registrationOptions(userId)
      return { userId, response: phone().create(options), name: 'one of four' }
    }),
  )
  const adding = four.map(async (ask) => await factors.passkeys.register(ask, whence))
  const done = await Promise.allSettled(adding)
  assert.equal(done.filter(({ status }) => status === 'fulfilled').length, 2)
  assert.equal((await factors.passkeys.list(userId)).length, 20)
  await assert.rejects(factors.passkeys.registrationOptions(userId), (error) => {
    return error instanceof AppError && error.facts['why'] === 'at most 20 passkeys'
  })
})

test('no table holds a challenge', async () => {
  const { factors, user } = await world(database)
  const { challenge } = await factors.passkeys.registrationOptions(user.userId)
  const asked = await factors.passkeys.authenticationOptions(nobody)
  const text = await rowsOf(database)
  for (const shown of [challenge, asked.challenge]) {
    const hex = Buffer.from(shown, 'base64url').toString('hex')
    for (const form of [shown, hex]) assert(!text.includes(form))
  }
})

test('challenges that nobody answered are erased an hour after they ended, and no others', async () => {
  const { factors, user, clock, pass } = await world(database)
  const left = async () => {
    await eraseAllExpired(database.pool, clock.now())
    const { rows } = await database.pool.query<{ n: number }>(
      'select count(*)::int as n from auth_ticket',
    )
    return rows[0]?.n
  }
  await database.pool.query('delete from auth_ticket')
  await factors.passkeys.registrationOptions(user.userId)
  pass(MINUTE)
  await factors.passkeys.authenticationOptions(nobody)
  pass(HOUR + 4n * MINUTE)
  assert.equal(await left(), 2)
  pass(SECOND)
  assert.equal(await left(), 1)
  pass(MINUTE)
  assert.equal(await left(), 0)
})
