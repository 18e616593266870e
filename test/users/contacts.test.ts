import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, test } from 'node:test'
import { inTransaction } from '../../src/db/tx.ts'
import { AppError } from '../../src/errors.ts'
import { newId } from '../../src/ids/ids.ts'
import type { UserId } from '../../src/ids/ids.ts'
import { after as later, DAY, MINUTE, SECOND } from '../../src/time.ts'
import type { Micros } from '../../src/time.ts'
import { changeProfile } from '../../src/users/change-profile.ts'
import { ATTEMPTS_PER_DAY, CODES_PER_DAY } from '../../src/users/contacts.ts'
import { confirmContact, contactMessage, issueContactCode } from '../../src/users/contacts.ts'
import { contactCode, contactCodeMessage } from '../../src/users/contacts.ts'
import { findUser } from '../../src/users/find.ts'
import { openUser } from '../../src/users/open.ts'
import type { Reachable } from '../../src/users/open.ts'
import type { Channel } from '../../src/users/user.ts'
import { freshDatabase } from '../kit/database.ts'
import type { FreshDatabase } from '../kit/database.ts'

const start = 1_790_000_000_000_000n as Micros
const digestKey = randomBytes(32)
const options = { lockTimeoutMs: 5_000 }
let database: FreshDatabase
let count = 0

before(async () => {
  database = await freshDatabase()
})
after(async () => {
  await database.drop()
})

async function someone(): Promise<Reachable> {
  count++
  const phoneNumber = `+1202555${String(count).padStart(4, '0')}`
  const ask = {
    userId: newId('user'),
    email: `person${count}@example.com`,
    phoneNumber,
    now: start,
  }
  return await inTransaction(
    database.pool,
    async (tx) => await openUser(tx, { ...ask, handle: null, displayName: null }),
    options,
  )
}

async function issue(userId: UserId, channel: Channel, now: Micros = start) {
  const seeded = await inTransaction(
    database.pool,
    async (tx) => await issueContactCode(tx, { userId, channel, now, digestKey }),
    options,
  )
  return { ...seeded, code: contactCode(digestKey, seeded) }
}

async function confirm(userId: UserId, channel: Channel, code: string, now: Micros = start) {
  return await confirmContact(database.pool, { userId, channel, code, now, digestKey })
}

const refusal =
  (code: string, facts = {}) =>
  (error: unknown) => {
    assert(error instanceof AppError, String(error))
    assert.equal(error.code, code)
    assert.deepEqual(error.facts, facts)
    return true
  }

/** Another code; `nth` tells one from the next. */
const other = (code: string, nth = 0) =>
  String((Number(code) + 1 + nth) % 1_000_000).padStart(6, '0')

test('the code proves the contact it was sent to, and no other', async () => {
  const ann = await someone()
  const { code, recipient } = await issue(ann.userId, 'email')
  assert.match(code, /^\d{6}$/)
  assert.equal(recipient, ann.email)
  await assert.rejects(confirm(ann.userId, 'phone', code), refusal('code_expired'))

  const verified = await confirm(ann.userId, 'email', code, later(start, MINUTE))
  assert.deepEqual(verified, { ...ann, emailVerifiedAt: later(start, MINUTE) })
  assert.deepEqual(await findUser(database.pool, ann.userId), verified)

  const byPhone = await issue(ann.userId, 'phone')
  assert.equal(byPhone.recipient, ann.phoneNumber)
  assert.equal((await confirm(ann.userId, 'phone', byPhone.code)).phoneVerifiedAt, start)
})

test('a message is made from the seed while its code is worth something, and with the key alone', async () => {
  const { userId } = await someone()
  const { code, ...first } = await issue(userId, 'email')
  assert(!JSON.stringify(first).includes(code))
  const messageAt = async (now: Micros, seeded = first, key = digestKey) =>
    await contactCodeMessage(database.pool, { ...seeded, now, digestKey: key })
  assert.match((await messageAt(start))?.body ?? '', new RegExp(`code is ${code}\\.`))
  assert.equal(await messageAt(start, first, randomBytes(32)), null)
  assert.equal(await messageAt(later(start, 30n * MINUTE)), null)

  const { code: newer, ...second } = await issue(userId, 'email', later(start, MINUTE))
  assert.equal(await messageAt(later(start, MINUTE)), null, 'another one took its place')
  assert.notEqual(await messageAt(later(start, MINUTE), second), null)
  await confirm(userId, 'email', newer, later(start, MINUTE))
  assert.equal(await messageAt(later(start, MINUTE), second), null, 'it was used')
})

test('what is verified needs no code', async () => {
  const ann = await someone()
  const { code } = await issue(ann.userId, 'email')
  await confirm(ann.userId, 'email', code)
  await assert.rejects(confirm(ann.userId, 'email', code), refusal('contact_verified'))
  await assert.rejects(issue(ann.userId, 'email'), refusal('contact_verified'))
})

test('one user’s code does not open another user’s contact', async () => {
  const [ann, bob] = [await someone(), await someone()]
  const { code } = await issue(ann.userId, 'email')
  let bobs = await issue(bob.userId, 'email')
  while (bobs.code === code) bobs = await issue(bob.userId, 'email', later(start, 31n * SECOND))
  await assert.rejects(
    confirm(bob.userId, 'email', code),
    refusal('code_wrong', { attemptsLeft: 4 }),
  )
})

test('five attempts, and the right code comes too late', async () => {
  const ann = await someone()
  const { code } = await issue(ann.userId, 'email')
  for (let left = 4; left >= 0; left--) {
    const wrong = confirm(ann.userId, 'email', other(code, left))
    await assert.rejects(wrong, refusal('code_wrong', { attemptsLeft: left }))
  }
  await assert.rejects(confirm(ann.userId, 'email', code), refusal('code_expired'))
  const next = await issue(ann.userId, 'email', later(start, MINUTE))
  await confirm(ann.userId, 'email', next.code, later(start, MINUTE))
})

test('a wrong code that comes again counts once, until there is a new one', async () => {
  const ann = await someone()
  const { code } = await issue(ann.userId, 'email')
  const again = async () =>
    await assert.rejects(
      confirm(ann.userId, 'email', other(code)),
      refusal('code_wrong', { attemptsLeft: 4 }),
    )
  await again()
  await Promise.all([again(), again(), again()])
  const now = later(start, MINUTE)
  let next = await issue(ann.userId, 'email', now)
  while (next.code === other(code)) next = await issue(ann.userId, 'email', later(now, MINUTE))
  const wrong = confirm(ann.userId, 'email', other(code), later(now, MINUTE))
  await assert.rejects(wrong, refusal('code_wrong', { attemptsLeft: 4 }))
  await confirm(ann.userId, 'email', next.code, later(now, MINUTE))
})

test('50 guesses at once are five attempts', async () => {
  const ann = await someone()
  const { code } = await issue(ann.userId, 'email')
  const guesses = Array.from(
    { length: 50 },
    async (_, nth) => await confirm(ann.userId, 'email', other(code, nth)),
  )
  const codes = (await Promise.allSettled(guesses)).map((result) => {
    assert(result.status === 'rejected' && result.reason instanceof AppError)
    return result.reason.code
  })
  assert.equal(codes.filter((code) => code === 'code_wrong').length, 5)
  assert.equal(codes.filter((code) => code === 'code_expired').length, 45)
})

test('a code works for 30 minutes and not a microsecond longer', async () => {
  const [ann, bob] = [await someone(), await someone()]
  const codes = [await issue(ann.userId, 'email'), await issue(bob.userId, 'email')] as const
  const end = later(start, 30n * MINUTE)
  await confirm(ann.userId, 'email', codes[0].code, later(end, -1n))
  await assert.rejects(confirm(bob.userId, 'email', codes[1].code, end), refusal('code_expired'))
})

test('a second code comes after 30 s at the earliest and ends the first', async () => {
  const ann = await someone()
  const first = await issue(ann.userId, 'email')
  const soon = issue(ann.userId, 'email', later(start, 10n * SECOND))
  await assert.rejects(soon, refusal('rate_limited', { retryAfterSeconds: 20 }))

  let second = await issue(ann.userId, 'email', later(start, 30n * SECOND))
  if (second.code === first.code) second = await issue(ann.userId, 'email', later(start, MINUTE))
  const now = later(start, MINUTE)
  const old = confirm(ann.userId, 'email', first.code, now)
  await assert.rejects(old, refusal('code_wrong', { attemptsLeft: 4 }))
  await confirm(ann.userId, 'email', second.code, now)
})

async function changeEmail(userId: UserId, email: string, now: Micros): Promise<void> {
  await inTransaction(
    database.pool,
    async (tx) => await changeProfile(tx, userId, { email }, now),
    options,
  )
}

test('a code to an old address proves nothing; the new one gets its own after 30 s', async () => {
  const ann = await someone()
  const { code } = await issue(ann.userId, 'email')
  const email = `new-${ann.email}`
  await changeEmail(ann.userId, email, start)
  await assert.rejects(confirm(ann.userId, 'email', code), refusal('code_expired'))
  assert.equal((await findUser(database.pool, ann.userId))?.emailVerifiedAt, null)
  const soon = issue(ann.userId, 'email')
  await assert.rejects(soon, refusal('rate_limited', { retryAfterSeconds: 30 }))
  const now = later(start, 30n * SECOND)
  const fresh = await issue(ann.userId, 'email', now)
  assert.equal(fresh.recipient, email)
  await confirm(ann.userId, 'email', fresh.code, now)
})

test('changing an address to and fro mails nobody more often', async () => {
  const ann = await someone()
  const addresses = [ann.email, `other-${ann.email}`] as const
  let now = start
  for (let sent = 0; sent < CODES_PER_DAY; sent += 1) {
    await changeEmail(ann.userId, addresses[sent % 2] ?? ann.email, now)
    const { code } = await issue(ann.userId, 'email', now)
    // Proving one in between must not begin a new count either.
    if (sent === 4) await confirm(ann.userId, 'email', code, now)
    now = later(now, 30n * SECOND)
  }
  await changeEmail(ann.userId, ann.email, now)
  const endOfDay = later(start, DAY)
  const retryAfterSeconds = Number((endOfDay - now) / SECOND)
  const eleventh = issue(ann.userId, 'email', now)
  await assert.rejects(eleventh, refusal('rate_limited', { retryAfterSeconds }))
  await issue(ann.userId, 'phone', now)
  const tooSoon = issue(ann.userId, 'email', later(endOfDay, -1n))
  await assert.rejects(tooSoon, refusal('rate_limited', { retryAfterSeconds: 1 }))
  const { recipient } = await issue(ann.userId, 'email', endOfDay)
  assert.equal(recipient, ann.email)
})

test('new codes give twenty attempts a day and no more, also after a change of address', async () => {
  const ann = await someone()
  let now = start
  let wrong = 0
  while (wrong < ATTEMPTS_PER_DAY) {
    const { code } = await issue(ann.userId, 'email', now)
    for (const left of [4, 3, 2]) {
      wrong += 1
      const most = Math.min(left, ATTEMPTS_PER_DAY - wrong)
      const attempt = confirm(ann.userId, 'email', other(code, left), now)
      await assert.rejects(attempt, refusal('code_wrong', { attemptsLeft: most }))
      if (most > 0) continue
      await assert.rejects(confirm(ann.userId, 'email', code, now), refusal('code_expired'))
      break
    }
    await changeEmail(ann.userId, `${wrong}-${ann.email}`, now)
    now = later(now, MINUTE)
  }
  const retryAfterSeconds = Number((later(start, DAY) - now) / SECOND)
  const more = issue(ann.userId, 'email', now)
  await assert.rejects(more, refusal('rate_limited', { retryAfterSeconds }))
  const next = later(start, DAY)
  const { code } = await issue(ann.userId, 'email', next)
  await confirm(ann.userId, 'email', code, next)
})

test('a new code and the answer to the one before may come at the same moment', async () => {
  for (let round = 0; round < 10; round += 1) {
    const ann = await someone()
    const { code } = await issue(ann.userId, 'email')
    const now = later(start, MINUTE)
    const [confirmed, issued] = await Promise.allSettled([
      inTransaction(
        database.pool,
        async (tx) =>
          await confirmContact(tx, { userId: ann.userId, channel: 'email', code, now, digestKey }),
        options,
      ),
      issue(ann.userId, 'email', now),
    ])
    const codes = [confirmed, issued].map((one) => {
      if (one.status === 'fulfilled') return 'done'
      return one.reason instanceof AppError ? one.reason.code : String(one.reason)
    })
    assert(['done,contact_verified', 'code_wrong,done'].includes(codes.join()), codes.join())
  }
})

test('nobody gets a code who does not exist', async () => {
  await assert.rejects(issue(newId('user'), 'email'), refusal('user_unknown'))
  await assert.rejects(confirm(newId('user'), 'email', '123456'), refusal('user_unknown'))
})

test('any text may be tried as a code', async () => {
  const ann = await someone()
  await issue(ann.userId, 'phone')
  for (const code of ['', '\u0000', '9'.repeat(10_000), '１２３４５６']) {
    await assert.rejects(confirm(ann.userId, 'phone', code), (error) => {
      return error instanceof AppError && error.code === 'code_wrong'
    })
  }
})

test('the table holds neither the code nor a digest to try all codes on', async () => {
  const ann = await someone()
  const { code } = await issue(ann.userId, 'email')
  const { rows } = await database.pool.query('select * from contact_code where user_id = $1', [
    ann.userId,
  ])
  assert.equal(rows.length, 1)
  assert(!Object.values(rows[0] ?? {}).includes(code))
  const wrongKey = { digestKey: randomBytes(32), userId: ann.userId, channel: 'email' } as const
  const attempt = confirmContact(database.pool, { ...wrongKey, code, now: start })
  await assert.rejects(attempt, refusal('code_wrong', { attemptsLeft: 4 }))
})

test('a digest that is moved to another user’s row proves nothing there', async () => {
  const [ann, bob] = [await someone(), await someone()]
  const { code } = await issue(ann.userId, 'email')
  await issue(bob.userId, 'email')
  const { rows } = await database.pool.query<{ digest: Buffer }>(
    'select digest from contact_code where user_id = $1',
    [ann.userId],
  )
  await database.pool.query('update contact_code set digest = $2 where user_id = $1', [
    bob.userId,
    rows[0]?.digest,
  ])
  const moved = confirm(bob.userId, 'email', code)
  await assert.rejects(moved, refusal('code_wrong', { attemptsLeft: 4 }))
})

test('the message says the code and what to do', () => {
  for (const channel of ['email', 'phone'] as const) {
    const { subject, body } = contactMessage(channel, '012345')
    assert(body.includes('012345') && body.includes('30 minutes'))
    assert(!subject.includes('012345'), 'subjects show on locked screens')
  }
  assert(contactMessage('phone', '012345').body.length <= 160, 'one text message')
})
