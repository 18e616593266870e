import assert from 'node:assert/strict'
import { after as afterAll, before, beforeEach, test } from 'node:test'
import { createPasswordReset } from '../../../src/auth/recovery/password-reset.ts'
import type { PasswordReset } from '../../../src/auth/recovery/password-reset.ts'
import { AppError } from '../../../src/errors.ts'
import { NOBODY } from '../../../src/ids/ids.ts'
import type { UserId } from '../../../src/ids/ids.ts'
import { DAY, HOUR, MINUTE } from '../../../src/time.ts'
import type { Micros } from '../../../src/time.ts'
import { freshDatabase } from '../../kit/database.ts'
import type { FreshDatabase } from '../../kit/database.ts'
import { onCitus } from '../../kit/server.ts'
import { codesOf, home, other, password, recoveryWorld, tokenIn } from './kit/world.ts'
import type { Person } from './kit/world.ts'
import type { RecoveryWorld } from './kit/world.ts'

const start = 1_790_000_000_000_000n as Micros
let database: FreshDatabase
let world: RecoveryWorld
let reset: PasswordReset
const codes = new Map<UserId, Set<string>>()

before(async () => {
  database = await freshDatabase()
  // All connections are open: else what is asked at once goes through the first one, in turn.
  const { pool } = database
  await Promise.all(Array.from({ length: 8 }, async () => await pool.query('select pg_sleep(0.1)')))
})
afterAll(async () => {
  await database.drop()
})
beforeEach(async () => {
  for (const table of ['meter', 'graphile_worker._private_jobs']) {
    await database.pool.query(`delete from ${table}`)
  }
  world = recoveryWorld(database, start, codesOf(codes))
  reset = createPasswordReset(world.parts)
})

const refusal = (code: string) => (error: unknown) => {
  assert(error instanceof AppError, String(error))
  assert.equal(error.code, code)
  return true
}

async function linkFor(user: Person): Promise<string> {
  await reset.ask(user.email, home)
  const [letter, ...more] = await world.letters()
  assert(letter && more.length === 0)
  assert.deepEqual([letter.channel, letter.recipient], ['email', user.email])
  return tokenIn(letter)
}

const finish = async (token: string, code: string | null = null, wanted = other) =>
  await reset.finish({ token, password: wanted, code, whence: home })

test('a link sets a new password, once, ends every session, and the owner is told', async () => {
  const user = await world.someone()
  const session = await world.signIn(user, password)
  const token = await linkFor(user)
  assert.deepEqual(await reset.look(token), { userId: user.userId, needsSecond: false })
  assert.deepEqual(await reset.look(token), { userId: user.userId, needsSecond: false })
  assert.equal(await finish(token), user.userId)

  await assert.rejects(
    world.sessions.refresh(session.refreshToken, home),
    refusal('refresh_token_invalid'),
  )
  await assert.rejects(world.signIn(user, password), refusal('credentials_invalid'))
  await world.signIn(user, other)
  const told = await world.letters()
  assert.deepEqual(told.map(({ recipient }) => recipient).toSorted(), [
    user.phoneNumber,
    user.email,
  ])
  assert(told.every(({ subject }) => subject === 'Your Farthing password was reset'))
  assert.equal(await reset.look(token), null)
  await assert.rejects(finish(token, null, password), refusal('code_expired'))
  const events = await world.events(user)
  assert(events.includes('password_reset_asked done') && events.includes('password_reset done'))
})

test('of ten that use a link at once, one does', async () => {
  const user = await world.someone()
  const token = await linkFor(user)
  const all = await Promise.allSettled(Array.from({ length: 10 }, async () => await finish(token)))
  assert.equal(all.filter(({ status }) => status === 'fulfilled').length, 1)
  for (const one of all) if (one.status === 'rejected') refusal('code_expired')(one.reason)
})

test('a newer link ends the older one, and half an hour ends them all', async () => {
  const user = await world.someone()
  const older = await linkFor(user)
  const newer = await linkFor(user)
  assert.equal(await reset.look(older), null)
  world.pass(30n * MINUTE - 1n)
  assert(await reset.look(newer))
  world.pass(1n)
  assert.equal(await reset.look(newer), null)
  await assert.rejects(finish(newer), refusal('code_expired'))
})

test('of links asked for at once, one works', async () => {
  const user = await world.someone()
  const asks = [user.email, user.handle, user.phoneNumber]
  await Promise.all(asks.map(async (login) => await reset.ask(login, home)))
  const living = await world.letters()
  assert.equal(living.length, 1)
})

test('no other text opens anything', async () => {
  const token = await linkFor(await world.someone())
  const changed = (token.startsWith('A') ? 'B' : 'A') + token.slice(1)
  for (const text of ['', token.slice(1), `${token}A`, `${token}=`, changed, 'A'.repeat(100_000)]) {
    assert.equal(await reset.look(text), null)
    await assert.rejects(finish(text), refusal('code_expired'))
  }
  assert(await reset.look(token))
})

test('whoever reads the mail alone resets no password of who has a second factor', async () => {
  const user = await world.someone()
  codes.set(user.userId, new Set(['111111']))
  const token = await linkFor(user)
  assert.deepEqual(await reset.look(token), { userId: user.userId, needsSecond: true })
  await assert.rejects(finish(token), refusal('second_factor_required'))
  await assert.rejects(finish(token, '222222'), refusal('code_wrong'))
  assert.equal(await world.directory.verify(user.userId, password), 'right')
  assert((await world.events(user)).includes('password_reset refused code'))

  // A password that cannot be used takes neither the code nor the link.
  await assert.rejects(finish(token, '111111', 'password'), refusal('password_refused'))
  await finish(token, '111111')
  assert.equal(await world.directory.verify(user.userId, other), 'right')
})

test('when the directory is away, the link goes on working, and sessions have ended', async () => {
  const user = await world.someone()
  const { refreshToken } = await world.signIn(user, password)
  const token = await linkFor(user)
  const away = createPasswordReset({
    ...world.parts,
    directory: {
      ...world.directory,
      reset: async () => await Promise.reject(new AppError('directory_unavailable')),
    },
  })
  const ask = { token, password: other, code: null, whence: home }
  await assert.rejects(away.finish(ask), refusal('directory_unavailable'))
  await assert.rejects(world.sessions.refresh(refreshToken, home), refusal('refresh_token_invalid'))
  assert.equal(await world.directory.verify(user.userId, password), 'right')
  await finish(token)
})

test('a session that begins with the old password meanwhile ends too', async () => {
  const user = await world.someone()
  const token = await linkFor(user)
  let thief = ''
  const slow = createPasswordReset({
    ...world.parts,
    directory: {
      ...world.directory,
      reset: async (ask) => {
        thief = (await world.signIn(user, password)).refreshToken
        await world.directory.reset(ask)
      },
    },
  })
  await slow.finish({ token, password: other, code: null, whence: home })
  await assert.rejects(world.sessions.refresh(thief, home), refusal('refresh_token_invalid'))
})

test('unknown, closed and unproven hear what everybody hears, as late, and get nothing', async () => {
  const known = await world.someone()
  const closed = await world.someone()
  await world.setTo(closed, 'closed')
  const unproven = await world.unproven()
  const asks = [known.email, 'nobody@example.com', closed.email, unproven.email, '', 'no ☂ login']
  const times = await Promise.all(
    asks.map(async (login) => {
      const begun = performance.now()
      assert.equal(await reset.ask(login, home), undefined)
      return performance.now() - begun
    }),
  )
  assert(
    times.every((ms) => ms >= 490),
    String(times),
  )
  assert.deepEqual(
    (await world.letters()).map(({ recipient }) => recipient),
    [known.email],
  )
  assert.deepEqual(await world.events(closed), ['password_reset_asked refused closed'])
  assert.deepEqual(await world.events(unproven), ['password_reset_asked refused no_proven_email'])
  const nobodys = (await world.events({ userId: NOBODY })).slice(-3)
  assert.deepEqual(nobodys, Array(3).fill('password_reset_asked refused unknown'))
})

test('a frozen user resets their password; one who is closed meanwhile does not', async () => {
  const user = await world.someone()
  await world.setTo(user, 'frozen')
  await finish(await linkFor(user))
  await world.letters()
  const token = await linkFor(user)
  await world.setTo(user, 'closed')
  assert.equal(await reset.look(token), null)
  await assert.rejects(finish(token), refusal('code_expired'))
})

test('the link goes to the address before, until a new one has been proven for a day', async () => {
  const user = await world.someone()
  const moved = await world.change(user, { email: `thief.${user.userId}@example.com` })
  await world.prove(moved, world.clock.now())
  const recipient = async () => {
    await reset.ask(moved.handle, home)
    return (await world.letters()).map((letter) => letter.recipient)
  }
  assert.deepEqual(await recipient(), [user.email])
  world.pass(DAY)
  assert.deepEqual(await recipient(), [moved.email])
})

test('a first address that an old account proves gets no link for a day, a new account’s does', async () => {
  const young = await world.unproven()
  await world.prove(young, world.clock.now())
  await linkFor(young)
  const old = await world.unproven()
  world.pass(DAY)
  const thiefs = await world.change(old, { email: `thief.${old.userId}@example.com` })
  await world.prove(thiefs, world.clock.now())
  await reset.ask(thiefs.email, home)
  assert.deepEqual(await world.letters(), [])
  world.pass(DAY)
  await linkFor(thiefs)
})

test('five letters an hour to one login, whether it exists or not, three from one network', async () => {
  const user = await world.someone()
  const fill = async (login: string) => {
    const from = async (network: string) => await reset.ask(login, { ...home, network })
    await Promise.all([1, 2, 3].map(async () => await from('10.0.1.1')))
    await assert.rejects(from('10.0.1.1'), refusal('rate_limited'))
    await Promise.all([4, 5].map(async () => await from('10.0.1.2')))
    await assert.rejects(from('10.0.1.2'), refusal('rate_limited'))
  }
  await Promise.all([fill(user.email), fill('nobody@example.com')])
  world.pass(HOUR)
  await reset.ask(user.email, { ...home, network: '10.0.1.1' })
})

test('strangers do not keep the owner from asking in their usual place', async () => {
  const user = await world.someone()
  await world.signIn(user, password)
  const strangers = [1, 2, 3, 4, 5].map((i) => ({ ...home, network: `10.0.2.${i}` }))
  await Promise.all(strangers.map(async (there) => await reset.ask(user.email, there)))
  const hotel = reset.ask(user.email, { ...home, network: '10.0.3.1' })
  await assert.rejects(hotel, refusal('rate_limited'))
  await reset.ask(user.email, home)
})

test('neither a table nor a job holds a link, a password or a login', async () => {
  const user = await world.someone()
  await reset.ask(user.email, home)
  const jobs = await rowsOf('graphile_worker._private_jobs')
  const [letter] = await world.letters()
  assert(letter)
  const token = tokenIn(letter)
  const tickets = await rowsOf('auth_ticket')
  await finish(token)
  const rows = [...jobs, ...tickets, ...(await rowsOf('auth_event')), ...(await rowsOf('meter'))]
  // On Citus another one ends the links before, those that did not show yet.
  assert(jobs.length === (onCitus() ? 2 : 1) && tickets.length > 0)
  for (const row of rows) {
    for (const secret of [token, other, password]) assert(!row.includes(secret), row)
  }
  for (const row of tickets) assert(!row.includes(user.email), row)
})

async function rowsOf(table: string): Promise<readonly string[]> {
  const { rows } = await database.pool.query<{ row: string }>(
    `select t::text as row from ${table} t`,
  )
  return rows.map(({ row }) => row)
}

test('a letter that comes too late says nothing', async () => {
  const user = await world.someone()
  await reset.ask(user.email, home)
  world.pass(30n * MINUTE)
  assert.deepEqual(await world.letters(), [])
})
