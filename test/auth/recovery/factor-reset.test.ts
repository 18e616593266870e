import assert from 'node:assert/strict'
import { after as afterAll, before, beforeEach, test } from 'node:test'
import { cancellingReset, createFactorReset } from '../../../src/auth/recovery/factor-reset.ts'
import type { FactorReset } from '../../../src/auth/recovery/factor-reset.ts'
import { AppError } from '../../../src/errors.ts'
import type { UserId } from '../../../src/ids/ids.ts'
import { after, DAY, HOUR, MINUTE } from '../../../src/time.ts'
import type { Micros } from '../../../src/time.ts'
import { freshDatabase } from '../../kit/database.ts'
import type { FreshDatabase } from '../../kit/database.ts'
import { codeIn, codesOf, home, other, password, recoveryWorld, tokenIn } from './kit/world.ts'
import type { Person } from './kit/world.ts'
import type { Letter, RecoveryWorld } from './kit/world.ts'

const start = 1_790_000_000_000_000n as Micros
let database: FreshDatabase
let world: RecoveryWorld
let reset: FactorReset
const codes = new Map<UserId, Set<string>>()
const factors = codesOf(codes)

before(async () => {
  database = await freshDatabase()
})
afterAll(async () => {
  await database.drop()
})
beforeEach(async () => {
  for (const table of ['meter', 'graphile_worker._private_jobs']) {
    await database.pool.query(`delete from ${table}`)
  }
  world = recoveryWorld(database, start, factors)
  reset = createFactorReset({ ...world.parts, removeFactors })
})

async function removeFactors(userId: UserId): Promise<void> {
  codes.delete(userId)
  await Promise.resolve()
}

const refusal = (code: string) => (error: unknown) => {
  assert(error instanceof AppError, String(error))
  assert.equal(error.code, code)
  return true
}

/** Somebody with an authenticator app. */
async function someone(): Promise<Person> {
  const user = await world.someone()
  codes.set(user.userId, new Set(['111111']))
  return user
}

async function codesFor({ userId }: Person) {
  await reset.sendCodes({ userId, password, whence: home })
  const letters = await world.letters()
  const to = (channel: string) => letters.find((letter) => letter.channel === channel)
  const [email, phone] = [to('email'), to('phone')]
  assert(email && phone && letters.length === 2)
  return { emailCode: codeIn(email), phoneCode: codeIn(phone) }
}

async function asked(user: Person) {
  const state = await reset.ask({ userId: user.userId, ...(await codesFor(user)), whence: home })
  return { state, letters: await world.letters() }
}

const finish = async ({ userId }: Person, shown = password) =>
  await reset.finish({ userId, password: shown, whence: home })

const linkOf = (letters: readonly Letter[]) =>
  tokenIn(letters.find(({ channel }) => channel === 'email') ?? assert.fail())

test('password, both codes and three days take the second factors off', async () => {
  const user = await someone()
  const { refreshToken } = await world.sessions.begin({ userId: user.userId, ...begun })
  const { state, letters } = await asked(user)
  assert.deepEqual([state.askedAt, state.readyAt], [start, after(start, 72n * HOUR)])
  assert.equal(letters.length, 6)
  assert(letters.every(({ body }) => body.includes('http://auth.test/cancel-factor-reset?token=')))

  world.pass(72n * HOUR - 1n)
  await assert.rejects(finish(user), refusal('rate_limited'))
  assert(codes.has(user.userId))
  world.pass(1n)
  await assert.rejects(finish(user, other), refusal('credentials_invalid'))
  await finish(user)
  assert(!codes.has(user.userId))
  await assert.rejects(world.sessions.refresh(refreshToken, home), refusal('refresh_token_invalid'))
  assert.equal((await world.letters()).length, 2)
  assert.equal(await reset.standing(user.userId), null)
  await assert.rejects(finish(user), refusal('code_expired'))
  const events = await world.events(user)
  for (const what of [
    'factor_reset_asked done',
    'factor_reset refused wrong',
    'factor_reset done',
  ]) {
    assert(events.includes(what), what)
  }
})

const begun = {
  clientId: 'web',
  methods: ['pwd'],
  network: null,
  device: null,
  authenticatedAt: start,
  browserId: null,
}

test('the owner is told at once, after one day and after two', async () => {
  const { letters } = await asked(await someone())
  for (const channel of ['email', 'phone']) {
    const due = letters.filter((letter) => letter.channel === channel).map(({ dueAt }) => dueAt)
    assert.deepEqual(due, [start, after(start, DAY), after(start, 2n * DAY)])
  }
})

test('the link in each of the messages cancels, once, and nothing is told after that', async () => {
  const user = await someone()
  const { letters } = await asked(user)
  const token = linkOf(letters)
  const changed = token.slice(0, -1) + (token.endsWith('A') ? 'B' : 'A')
  for (const text of ['', changed, token.slice(1), `${token}A`]) {
    assert.equal(await reset.cancel(text, home), false)
  }
  assert.equal(await reset.cancel(token, home), true)
  assert.equal(await reset.cancel(token, home), false)
  world.pass(72n * HOUR)
  await assert.rejects(finish(user), refusal('code_expired'))
  assert(codes.has(user.userId))
  const subjects = (await world.letters()).map(({ subject }) => subject)
  assert.deepEqual(subjects, Array(2).fill('Your Farthing sign-in methods stay'))
  assert((await world.events(user)).includes('factor_reset_cancelled done'))
})

test('a reminder of one that was cancelled is not sent', async () => {
  const user = await someone()
  await reset.ask({ userId: user.userId, ...(await codesFor(user)), whence: home })
  await reset.secondShown(user.userId, home)
  const told = (await world.letters()).map(({ subject }) => subject)
  assert.deepEqual(told, Array(2).fill('Your Farthing sign-in methods stay'))
})

test('a code of the second factor that is used cancels it', async () => {
  const user = await someone()
  await asked(user)
  const watched = cancellingReset(factors, reset)
  assert.equal(await watched.useCode(user.userId, '222222', home), null)
  assert(await reset.standing(user.userId))
  assert.equal(await watched.useCode(user.userId, '111111', home), 'otp')
  assert.equal(await reset.standing(user.userId), null)
  const { rows } = await database.pool.query<object>(
    `select network, device, client_id as "clientId" from auth_event
     where user_id = $1 and kind = 'factor_reset_cancelled'`,
    [user.userId],
  )
  assert.deepEqual(rows, [home])
})

test('asking again neither shortens nor prolongs it', async () => {
  const user = await someone()
  const { state } = await asked(user)
  world.pass(DAY)
  const again = await asked(user)
  assert.deepEqual(again.state, state)
  assert.deepEqual(again.letters, [])
})

test('of ten that ask at once, one begins it; of ten that finish, one does', async () => {
  const user = await someone()
  const shown = { userId: user.userId, ...(await codesFor(user)), whence: home }
  const asks = Array.from({ length: 10 }, async () => await reset.ask(shown))
  const won = (await Promise.allSettled(asks)).filter(({ status }) => status === 'fulfilled')
  assert.equal(won.length, 1)
  world.pass(72n * HOUR)
  const ends = Array.from({ length: 10 }, async () => await finish(user))
  const done = (await Promise.allSettled(ends)).filter(({ status }) => status === 'fulfilled')
  assert.equal(done.length, 1)
})

const wrong = (code: string) => String((Number(code) + 1) % 10 ** 6).padStart(6, '0')

test('one code is not enough, and which one is wrong is not told', async () => {
  const user = await someone()
  const { userId } = user
  const { emailCode, phoneCode } = await codesFor(user)
  const answers = []
  for (const shown of [
    { emailCode: wrong(emailCode), phoneCode },
    { emailCode, phoneCode: wrong(phoneCode) },
    { emailCode: phoneCode, phoneCode: emailCode },
  ]) {
    const ask = reset.ask({ userId, ...shown, whence: home })
    await assert.rejects(ask, (error) => answers.push(error) > 0 && refusal('code_wrong')(error))
  }
  assert((await world.events(user)).includes('factor_reset_asked refused codes'))
  const stranger = await someone()
  const theirs = reset.ask({ userId: stranger.userId, emailCode, phoneCode, whence: home })
  await assert.rejects(theirs, refusal('code_wrong'))
  await reset.ask({ userId, emailCode, phoneCode, whence: home })
})

test('codes may be tried five times a day, sent three times, and live half an hour', async () => {
  const user = await someone()
  const { userId } = user
  const late = await codesFor(user)
  world.pass(30n * MINUTE)
  const tooLate = reset.ask({ userId, ...late, whence: home })
  await assert.rejects(tooLate, refusal('code_wrong'))
  await codesFor(user)
  const right = await codesFor(user)
  const more = reset.sendCodes({ userId, password, whence: home })
  await assert.rejects(more, refusal('rate_limited'))
  for (let i = 0; i < 4; i++) {
    const guess = reset.ask({ userId, emailCode: '000000', phoneCode: '000000', whence: home })
    await assert.rejects(guess, refusal('code_wrong'))
  }
  await assert.rejects(reset.ask({ userId, ...right, whence: home }), refusal('rate_limited'))
})

const send = async ({ userId }: Person, shown = password) =>
  await reset.sendCodes({ userId, password: shown, whence: home })

test('no password, no second factor, no contact proven for a day: no codes', async () => {
  const user = await someone()
  await assert.rejects(send(user, other), refusal('credentials_invalid'))
  await assert.rejects(send(await world.someone()), refusal('factor_unknown'))
  const fresh = await world.unproven()
  codes.set(fresh.userId, new Set())
  await assert.rejects(send(fresh), refusal('action_forbidden'))
  await world.prove(fresh, world.clock.now())
  await assert.rejects(send(fresh), refusal('action_forbidden'))
  const closed = await someone()
  await world.setTo(closed, 'closed')
  await assert.rejects(send(closed), refusal('credentials_invalid'))
  assert.deepEqual(await world.letters(), [])
  world.pass(DAY)
  await send(fresh)
})

test('a contact that changes meanwhile ends it, and it can be asked for anew', async () => {
  const user = await someone()
  await asked(user)
  world.pass(MINUTE)
  const moved = await world.change(user, { phoneNumber: `+1212${user.phoneNumber.slice(-7)}` })
  await world.prove(moved, world.clock.now())
  world.pass(72n * HOUR)
  await assert.rejects(finish(user), refusal('code_expired'))
  assert.equal(await reset.standing(user.userId), null)
  const { state } = await asked(moved)
  assert.equal(state.askedAt, world.clock.now())
})

test('what nobody finished within a week is over', async () => {
  const user = await someone()
  await asked(user)
  world.pass(72n * HOUR + 7n * DAY)
  await assert.rejects(finish(user), refusal('code_expired'))
  await asked(user)
})

test('neither a table nor a job holds a code or the link', async () => {
  const user = await someone()
  const { userId } = user
  await reset.sendCodes({ userId, password, whence: home })
  const rows = [
    ...(await rowsOf('graphile_worker._private_jobs')),
    ...(await rowsOf('auth_ticket')),
  ]
  const [email, phone] = (await world.letters()).map((letter) => codeIn(letter))
  assert(email && phone)
  await reset.ask({ userId, emailCode: email, phoneCode: phone, whence: home })
  rows.push(...(await rowsOf('graphile_worker._private_jobs')), ...(await rowsOf('factor_reset')))
  const token = linkOf(await world.letters())
  assert(rows.length > 5)
  for (const row of rows) {
    assert(!row.includes(token.slice(33)), row)
    assert(!row.includes(`"${email}"`) && !row.includes(`"${phone}"`), row)
  }
})

async function rowsOf(table: string): Promise<string[]> {
  const { rows } = await database.pool.query<{ row: string }>(
    `select t::text as row from ${table} t`,
  )
  return rows.map(({ row }) => row)
}
