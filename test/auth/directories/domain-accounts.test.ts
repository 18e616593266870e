import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { readAccount } from '../../../src/auth/directories/ldap/store.ts'
import { newId, printId } from '../../../src/ids/ids.ts'
import type { UserId } from '../../../src/ids/ids.ts'
import { DAY, after as later, systemClock } from '../../../src/time.ts'
import type { Micros } from '../../../src/time.ts'
import { component } from '../../kit/components.ts'
import { domainGroups } from '../../kit/domain/seed.ts'
import { refusedAs } from '../../kit/refused.ts'
import { nobodyKnown, other, phrase, recorded, signedUp } from './conformance.ts'
import { openDomainPlace } from './domain-place.ts'
import type { DomainPlace } from './domain-place.ts'

const { missing } = component('samba')
const options = missing === null ? {} : { skip: missing }
let place: DomainPlace
if (missing === null) {
  before(async () => {
    place = await openDomainPlace()
  })
  after(async () => await place.close())
}

const now = () => systemClock.now()
const DISABLED = '514'
const filetime = (at: Micros) => String(at * 10n + 116_444_736_000_000_000n)

async function set(userId: UserId, values: Readonly<Record<string, string>>): Promise<void> {
  await place.admin.replace((await place.accountOf(userId)).dn, values)
}

async function change(userId: UserId, from: string, to: string) {
  const ask = { userId, before: from, password: to, known: nobodyKnown, now: now() }
  return await place.directory.change(ask)
}

async function enrolledOnly(userId: UserId): Promise<void> {
  const ask = { userId, password: phrase, known: nobodyKnown }
  await recorded(place.directory, place.pool, userId, await place.directory.enroll(ask))
}

test(
  'an account tells whose it is by an id alone, and is disabled until the end',
  options,
  async () => {
    const userId = newId('user')
    await enrolledOnly(userId)
    const before = await place.accountOf(userId)
    assert.equal(before.disabled, true)
    await place.directory.finish(userId, now())
    assert.equal((await place.accountOf(userId)).disabled, false)

    const attributes = ['sAMAccountName', 'userPrincipalName', 'cn', 'description', 'mail']
    const entry = await place.admin.read(before.dn, { attributes, binary: [] })
    const name = String(entry?.['sAMAccountName'])
    assert.match(name, /^[a-z0-9]{20}$/)
    assert.equal(entry?.['cn'], name)
    assert.equal(entry?.['userPrincipalName'], `${name}@pay.example.test`)
    assert.equal(entry?.['description'], printId('user', userId))
    assert.deepEqual(entry?.['mail'], [])
  },
)

test('a password that must be changed is expired for who knows it', options, async () => {
  const userId = await signedUp(place)
  await set(userId, { pwdLastSet: '0' })
  assert.equal(await place.directory.verify(userId, phrase), 'expired')
  assert.equal(await place.directory.verify(userId, other), 'wrong')
  assert.equal((await place.directory.standing(userId)).open, true)
  assert.equal(await change(userId, other, 'and a fifth is late'), 'wrong')
  await refusedAs('password_refused', change(userId, phrase, 'password1234'))
  assert.equal(await place.directory.verify(userId, phrase), 'expired')
  assert.equal(await change(userId, phrase, other), 'changed')
  assert.equal(await place.directory.verify(userId, other), 'right')
})

test('a password that has become too old is expired for who knows it', options, async () => {
  const userId = await signedUp(place)
  const { domainDn, backdatePassword } = place.domain
  await place.admin.replace(domainDn, { maxPwdAge: String(-42n * 864_000_000_000n) })
  await backdatePassword((await place.accountOf(userId)).dn, 100n)
  assert.equal(await place.directory.verify(userId, phrase), 'expired')
  assert.equal(await place.directory.verify(userId, other), 'wrong')
  assert.equal(await change(userId, phrase, other), 'changed')
  assert.equal(await place.directory.verify(userId, other), 'right')
  await place.admin.replace(domainDn, { maxPwdAge: '0' })
})

test(
  'the password before opens nothing, also where the domain keeps a history',
  options,
  async () => {
    await place.admin.replace(place.domain.domainDn, { pwdHistoryLength: '24' })
    const userId = await signedUp(place)
    assert.equal(await change(userId, phrase, other), 'changed')
    assert.equal(await place.directory.verify(userId, phrase), 'wrong')
    assert.equal(await place.directory.verify(userId, other), 'right')
    const third = 'and a fifth is late'
    await place.directory.reset({ userId, password: third, known: nobodyKnown, now: now() })
    assert.equal(await place.directory.verify(userId, other), 'wrong')
    assert.equal(await place.directory.verify(userId, third), 'right')
    await refusedAs('password_refused', change(userId, third, phrase))
    await place.admin.replace(place.domain.domainDn, { pwdHistoryLength: '0' })
  },
)

test('the domain forgets wrong passwords after a pause, not after a window', options, async () => {
  const userId = await signedUp(place)
  const { domainDn } = place.domain
  const second = String(-10_000_000n)
  await place.admin.replace(domainDn, { lockOutObservationWindow: second, lockoutThreshold: '4' })
  // Two seconds and more: none of these stands in one window with all the others.
  for (let tries = 0; tries < 4; tries++) {
    assert.equal(await place.directory.verify(userId, other), 'wrong')
    await delay(700)
  }
  assert.equal(await place.directory.verify(userId, phrase), 'locked')
  const quarter = String(-15n * 60n * 10_000_000n)
  await place.admin.replace(domainDn, { lockOutObservationWindow: quarter, lockoutThreshold: '10' })
})

test('whom an administrator has disabled stays so, whatever they show', options, async () => {
  const userId = await signedUp(place)
  await set(userId, { userAccountControl: DISABLED })
  assert.equal(await place.directory.verify(userId, phrase), 'disabled')
  assert.equal(await place.directory.verify(userId, other), 'wrong')
  assert.equal(await change(userId, phrase, other), 'disabled')
  assert.deepEqual(await place.directory.standing(userId), { open: false, roles: [] })
  await place.directory.finish(userId, now())
  await place.directory.reset({ userId, password: other, known: nobodyKnown, now: now() })
  assert.equal(await place.directory.verify(userId, other), 'disabled')
  assert.equal((await place.accountOf(userId)).disabled, true)
})

test(
  'an account that has ended is closed, and one that will end is open until then',
  options,
  async () => {
    const userId = await signedUp(place)
    await set(userId, { accountExpires: filetime(later(now(), -DAY)) })
    assert.equal(await place.directory.verify(userId, phrase), 'disabled')
    assert.equal((await place.directory.standing(userId)).open, false)
    await set(userId, { accountExpires: filetime(later(now(), DAY)) })
    assert.equal(await place.directory.verify(userId, phrase), 'right')
    assert.equal((await place.directory.standing(userId)).open, true)
    const tomorrow = place.open({}, { now: () => later(now(), 2n * DAY) })
    assert.equal((await tomorrow.standing(userId)).open, false)
    await set(userId, { accountExpires: '0' })
    assert.equal((await tomorrow.standing(userId)).open, true)
  },
)

test(
  'a stranger who guesses locks an account, and ends no session of its owner',
  options,
  async () => {
    const userId = await signedUp(place)
    for (let guess = 0; guess < 10; guess++)
      await place.directory.verify(userId, `${other} ${guess}`)
    assert.equal(await place.directory.verify(userId, phrase), 'locked')
    assert.equal(await place.directory.verify(userId, other), 'locked')
    assert.equal(await change(userId, phrase, other), 'locked')
    assert.equal((await place.directory.standing(userId)).open, true)
    await place.directory.reset({ userId, password: other, known: nobodyKnown, now: now() })
    assert.equal(await place.directory.verify(userId, other), 'right')
  },
)

test('a deleted account is wrong and closed', options, async () => {
  const userId = await signedUp(place)
  await place.admin.remove((await place.accountOf(userId)).dn)
  assert.equal(await place.directory.verify(userId, phrase), 'wrong')
  assert.deepEqual(await place.directory.standing(userId), { open: false, roles: [] })
  const ask = { userId, password: other, known: nobodyKnown, now: now() }
  await refusedAs('password_managed', place.directory.reset(ask))
})

test(
  'only the right password makes a cut-off sign-up whole, and no other flag is lost',
  options,
  async () => {
    const userId = newId('user')
    await enrolledOnly(userId)
    const flags = 0x10000 | Number(DISABLED)
    await set(userId, { userAccountControl: String(flags) })
    assert.equal(await place.directory.verify(userId, other), 'wrong')
    assert.equal((await place.accountOf(userId)).disabled, true)
    assert.equal(await place.directory.verify(userId, phrase), 'right')
    assert.equal((await place.accountOf(userId)).flags, flags & ~2)
    const row = await readAccount(place.pool, userId)
    assert.notEqual(row?.readyAt, null)
  },
)

test('a sign-up cut off behind its enabling is whole with the first sign-in', options, async () => {
  const userId = newId('user')
  await enrolledOnly(userId)
  await set(userId, { userAccountControl: '512' })
  assert.equal(await place.directory.verify(userId, phrase), 'right')
  await set(userId, { userAccountControl: DISABLED })
  assert.equal(await place.directory.verify(userId, phrase), 'disabled')
})

test('so is one whose password had to be changed before the first sign-in', options, async () => {
  const userId = newId('user')
  await enrolledOnly(userId)
  await set(userId, { pwdLastSet: '0' })
  assert.equal(await place.directory.verify(userId, phrase), 'expired')
  await set(userId, { userAccountControl: DISABLED })
  assert.equal(await place.directory.verify(userId, phrase), 'disabled')
  assert.equal((await place.directory.standing(userId)).open, false)
})

test('the rules of the domain come on top of ours', options, async () => {
  const userId = await signedUp(place)
  const password = 'ten lamps!' // The domain asks for 14 characters.
  const why = { facts: { why: 'is not allowed by the rules of the domain' } }
  const ask = { userId, password, known: nobodyKnown, now: now() }
  await assert.rejects(place.directory.enroll({ ...ask, userId: newId('user') }), why)
  await assert.rejects(place.directory.change({ ...ask, before: phrase }), why)
  await assert.rejects(place.directory.reset(ask), why)
  assert.equal(await place.directory.verify(userId, phrase), 'right')
})

test('who is in a group within the group has the role', options, async () => {
  const userId = await signedUp(place)
  await place.addMember(domainGroups.nightShift, (await place.accountOf(userId)).dn)
  assert.deepEqual((await place.directory.standing(userId)).roles, ['support'])
  const without = place.open({ supportGroupDn: null, operatorGroupDn: null })
  assert.deepEqual((await without.standing(userId)).roles, [])
})

test(
  'a group that is not there is a directory that cannot answer, but for who is closed',
  options,
  async () => {
    const [ann, ben] = [await signedUp(place), await signedUp(place)]
    await set(ben, { userAccountControl: DISABLED })
    const astray = place.open({ supportGroupDn: `CN=Nobody,${place.domain.domainDn}` })
    await refusedAs('directory_unavailable', astray.standing(ann))
    assert.deepEqual(await astray.standing(ben), { open: false, roles: [] })
    assert.equal(await astray.verify(ann, phrase), 'right')
  },
)

test(
  'nobody costs the bind that a wrong password costs; what is no password costs none',
  options,
  async () => {
    const userId = await signedUp(place)
    const cost = async (who: UserId | null, password: string) => {
      const before = await place.domain.binds()
      assert.equal(await place.directory.verify(who, password), 'wrong')
      return (await place.domain.binds()) - before
    }
    assert.equal(await cost(userId, other), 1)
    assert.equal(await cost(null, other), 1)
    assert.equal(await cost(newId('user'), other), 1)
    for (const none of ['', `${phrase}\0`, 'x'.repeat(257)]) {
      assert.equal(await cost(userId, none), 0)
      assert.equal(await cost(null, none), 0)
    }
  },
)
