import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { inTransaction } from '../../src/db/tx.ts'
import { AppError } from '../../src/errors.ts'
import { newId } from '../../src/ids/ids.ts'
import { printTime } from '../../src/time.ts'
import type { Micros } from '../../src/time.ts'
import { changeProfile, leftContactMessage } from '../../src/users/change-profile.ts'
import type { ProfileChange, ProfilePatch } from '../../src/users/change-profile.ts'
import { findUser, findUsers, userByLogin } from '../../src/users/find.ts'
import { setStatus } from '../../src/users/freeze.ts'
import { openUser } from '../../src/users/open.ts'
import type { NewUser, Reachable } from '../../src/users/open.ts'
import { tierOf } from '../../src/users/user.ts'
import type { User, UserStatus } from '../../src/users/user.ts'
import { freshDatabase } from '../kit/database.ts'
import type { FreshDatabase } from '../kit/database.ts'

const now = 1_790_000_000_123_456n as Micros
const options = { lockTimeoutMs: 5_000 }
let database: FreshDatabase
let count = 0

before(async () => {
  database = await freshDatabase()
})
after(async () => {
  await database.drop()
})

/** Someone whom no other test has met. */
function someone(changed: Partial<NewUser> = {}): NewUser {
  count++
  const phoneNumber = `+1202555${String(count).padStart(4, '0')}`
  const email = `person${count}@example.com`
  return {
    userId: newId('user'),
    email,
    phoneNumber,
    handle: null,
    displayName: null,
    now,
    ...changed,
  }
}

async function open(ask: NewUser): Promise<Reachable> {
  return await inTransaction(database.pool, async (tx) => await openUser(tx, ask), options)
}

async function change(user: User, patch: ProfilePatch): Promise<User> {
  return (await changeAt(user, patch, now)).user
}

async function changeAt(user: User, patch: ProfilePatch, at: Micros): Promise<ProfileChange> {
  const work = inTransaction(
    database.pool,
    async (tx) => await changeProfile(tx, user.userId, patch, at),
    options,
  )
  return await work
}

async function status(user: User, status: UserStatus): Promise<User> {
  return await inTransaction(
    database.pool,
    async (tx) => await setStatus(tx, user.userId, status),
    options,
  )
}

const refusal = (code: string, field?: string) => (error: unknown) =>
  error instanceof AppError && error.code === code && error.facts['field'] === field

test('a user is found as opened, and by every name in any spelling', async () => {
  const ask = someone({ handle: 'Ann.Lee', displayName: ' Ann  Lee ' })
  const user = await open(ask)
  assert.deepEqual(user, {
    userId: ask.userId,
    handle: 'ann.lee',
    displayName: 'Ann Lee',
    email: ask.email,
    phoneNumber: ask.phoneNumber,
    debitCardId: null,
    status: 'active',
    emailVerifiedAt: null,
    emailBefore: null,
    phoneVerifiedAt: null,
    createdAt: now,
  })
  assert.deepEqual(await findUser(database.pool, ask.userId), user)
  for (const login of [ask.email.toUpperCase(), ask.phoneNumber.replace('+1', '1 '), 'ANN.LEE']) {
    assert.equal(await userByLogin(database.pool, login), ask.userId, login)
  }
})

test('without a choice, the handle comes from the e-mail and is the name', async () => {
  const user = await open(someone({ email: 'Zoe.Neil@example.com' }))
  assert.match(user.handle, /^zoe\.neil\d{6}$/)
  assert.equal(user.displayName, user.handle)
})

test('a taken name is refused by its field and nothing of the attempt stays', async () => {
  const ann = await open(someone({ handle: 'taken_handle' }))
  const cases = [
    [{ email: ann.email.toUpperCase() }, '/email'],
    [{ phoneNumber: ann.phoneNumber }, '/phoneNumber'],
    [{ handle: 'Taken_Handle' }, '/handle'],
  ] as const
  for (const [changed, field] of cases) {
    const ask = someone(changed)
    await assert.rejects(open(ask), refusal('contact_taken', field))
    assert.equal(await findUser(database.pool, ask.userId), null)
    for (const name of [ask.email, ask.phoneNumber]) {
      assert.notEqual(await userByLogin(database.pool, name), ask.userId)
    }
  }
})

test('of 20 sign-ups for the same names at once, one succeeds and none hangs', async () => {
  const { email, phoneNumber } = someone()
  const asks = Array.from({ length: 20 }, () => someone({ email, phoneNumber, handle: 'at_once' }))
  const all = await Promise.allSettled(asks.map(open))
  const refused = all.filter((result) => result.status === 'rejected')
  assert.equal(refused.length, 19)
  for (const { reason } of refused)
    assert(refusal('contact_taken', '/email')(reason), String(reason))
})

test('many users are found at once, and who does not exist is missing', async () => {
  const [ann, bob] = [await open(someone()), await open(someone())]
  const found = await findUsers(database.pool, [ann.userId, newId('user'), bob.userId])
  assert.deepEqual(new Set(found.keys()), new Set([ann.userId, bob.userId]))
  assert.deepEqual(found.get(bob.userId), bob)
  assert.equal((await findUsers(database.pool, [])).size, 0)
})

test('nobody has an unknown or impossible login', async () => {
  for (const login of ['nobody@example.com', '+12025559999', 'nobody', '', '💥', "' or 1=1 --"]) {
    assert.equal(await userByLogin(database.pool, login), null, login)
  }
})

test('a changed name moves: the new one signs in, the old one is free', async () => {
  const ann = await open(someone({ handle: 'before_change' }))
  const { email, phoneNumber } = someone()
  const changed = await change(ann, { email, phoneNumber, handle: 'after_change' })
  assert.deepEqual(changed, { ...ann, email, phoneNumber, handle: 'after_change' })
  assert.deepEqual(await findUser(database.pool, ann.userId), changed)
  assert.equal(await userByLogin(database.pool, ann.email), null)
  assert.equal(await userByLogin(database.pool, email), ann.userId)

  const bob = await open(someone({ email: ann.email, handle: 'before_change' }))
  assert.equal(await userByLogin(database.pool, 'before_change'), bob.userId)
})

test('a changed contact is unverified, an unchanged one stays verified', async () => {
  const ann = await open(someone())
  await database.pool.query(
    'update app_user set email_verified_at = now(), phone_verified_at = now() where user_id = $1',
    [ann.userId],
  )
  const same = await change(ann, { email: ann.email.toUpperCase(), displayName: 'Ann' })
  assert.equal(tierOf(same), 'verified')
  const changed = await change(ann, { phoneNumber: someone().phoneNumber })
  assert.notEqual(changed.emailVerifiedAt, null)
  assert.equal(changed.phoneVerifiedAt, null)
  assert.equal(tierOf(changed), 'unverified')
})

test('a proven contact that is changed is told of, and its address is kept', async () => {
  const ann = await open(someone())
  const { email, phoneNumber } = someone()
  assert.deepEqual((await changeAt(ann, { displayName: 'Ann' }, now)).left, [])
  const unproven = await changeAt(ann, { email: `first-${ann.email}` }, now)
  assert.deepEqual([unproven.left, unproven.user.emailBefore], [[], null])

  await database.pool.query(
    'update app_user set email_verified_at = $2, phone_verified_at = $2 where user_id = $1',
    [ann.userId, printTime(now)],
  )
  const same = await changeAt(ann, { email: String(unproven.user.email).toUpperCase() }, now)
  assert.deepEqual(same.left, [])
  const { user, left } = await changeAt(ann, { email, phoneNumber }, now)
  assert.deepEqual(left, [
    { channel: 'email', recipient: unproven.user.email },
    { channel: 'phone', recipient: ann.phoneNumber },
  ])
  assert.equal(user.emailBefore, unproven.user.email)
  assert.deepEqual(await findUser(database.pool, ann.userId), user)
})

test('what a left contact is told names no new one, and says what to do', () => {
  for (const channel of ['email', 'phone'] as const) {
    const { subject, body } = leftContactMessage(channel)
    assert.match(subject, /was changed/)
    assert.match(body, /support at once/)
  }
  assert(leftContactMessage('phone').body.length <= 160, 'one text message')
})

test('a card is set and taken away, and what is not named stays', async () => {
  const ann = await open(someone())
  assert.equal((await change(ann, { debitCardId: 'card_1' })).debitCardId, 'card_1')
  assert.equal((await change(ann, { displayName: 'Ann' })).debitCardId, 'card_1')
  assert.equal((await change(ann, { debitCardId: null })).debitCardId, null)
})

test('a change to a taken name is refused, and the old names stay', async () => {
  const [ann, bob] = [await open(someone()), await open(someone())]
  const patch = { email: someone().email, phoneNumber: bob.phoneNumber }
  await assert.rejects(change(ann, patch), refusal('contact_taken', '/phoneNumber'))
  assert.deepEqual(await findUser(database.pool, ann.userId), ann)
  assert.equal(await userByLogin(database.pool, patch.email), null)
  assert.equal(await userByLogin(database.pool, ann.email), ann.userId)
})

test('two users who want each other’s names at once keep their own, and none hangs', async () => {
  const [ann, bob] = [await open(someone()), await open(someone())]
  const both = await Promise.allSettled([
    change(ann, { email: bob.email, phoneNumber: bob.phoneNumber }),
    change(bob, { email: ann.email, phoneNumber: ann.phoneNumber }),
  ])
  for (const result of both) {
    assert(result.status === 'rejected' && refusal('contact_taken', '/email')(result.reason))
  }
})

test('nobody changes who does not exist', async () => {
  const nobody = { ...(await open(someone())), userId: newId('user') }
  await assert.rejects(change(nobody, { displayName: 'Ann' }), refusal('user_unknown'))
  await assert.rejects(status(nobody, 'frozen'), refusal('user_unknown'))
})

test('a user freezes and thaws; closing is for ever and keeps the names taken', async () => {
  const ann = await open(someone())
  assert.equal((await status(ann, 'frozen')).status, 'frozen')
  assert.equal((await status(ann, 'active')).status, 'active')
  assert.equal((await status(ann, 'closed')).status, 'closed')
  assert.equal((await status(ann, 'closed')).status, 'closed')
  await assert.rejects(status(ann, 'active'), refusal('user_unknown'))
  assert.equal((await findUser(database.pool, ann.userId))?.status, 'closed')
  await assert.rejects(open(someone({ email: ann.email })), refusal('contact_taken', '/email'))
})
