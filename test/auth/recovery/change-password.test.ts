import assert from 'node:assert/strict'
import { after as afterAll, before, test } from 'node:test'
import { changePassword } from '../../../src/auth/recovery/change-password.ts'
import type { PasswordChange } from '../../../src/auth/recovery/change-password.ts'
import { createPasswordReset } from '../../../src/auth/recovery/password-reset.ts'
import { AppError } from '../../../src/errors.ts'
import { MINUTE } from '../../../src/time.ts'
import type { Micros } from '../../../src/time.ts'
import type { User } from '../../../src/users/user.ts'
import { freshDatabase } from '../../kit/database.ts'
import type { FreshDatabase } from '../../kit/database.ts'
import { home, other, password, recoveryWorld, tokenIn } from './kit/world.ts'
import type { RecoveryWorld } from './kit/world.ts'

const start = 1_790_000_000_000_000n as Micros
let database: FreshDatabase
let world: RecoveryWorld

before(async () => {
  database = await freshDatabase()
  world = recoveryWorld(database, start)
})
afterAll(async () => {
  await database.drop()
})

const refusal = (code: string) => (error: unknown) => {
  assert(error instanceof AppError, String(error))
  assert.equal(error.code, code)
  return true
}

const change = async ({ userId }: User, ask: Partial<PasswordChange>) =>
  await changePassword(world.parts, {
    userId,
    stays: null,
    before: password,
    password: other,
    whence: home,
    ...ask,
  })

test('a new password ends the other sessions and links, and the owner is told', async () => {
  const user = await world.someone()
  const begun = { clientId: 'web', methods: ['pwd'], network: null, device: null } as const
  const shown = { userId: user.userId, authenticatedAt: world.clock.now(), browserId: 'here' }
  const here = await world.sessions.begin({ ...begun, ...shown })
  const elsewhere = await world.signIn(user, password)
  const stays = (await world.sessions.list(user.userId)).filter((one) => one.browserId === 'here')
  const reset = createPasswordReset(world.parts)
  await reset.ask(user.email, home)
  const [letter] = await world.letters()
  assert(letter && (await reset.look(tokenIn(letter))))

  await change(user, { stays: 'here' })
  const left = await world.sessions.list(user.userId)
  assert.deepEqual(
    left.map(({ sessionId }) => sessionId),
    stays.map(({ sessionId }) => sessionId),
  )
  const going = [here, elsewhere].map(
    async (one) => await world.sessions.refresh(one.refreshToken, home),
  )
  const ended = (await Promise.allSettled(going)).filter(({ status }) => status === 'rejected')
  assert.equal(ended.length, 1)
  assert.equal(await reset.look(tokenIn(letter)), null)
  const told = await world.letters()
  assert.deepEqual(told.map(({ channel }) => channel).toSorted(), ['email', 'phone'])
  assert((await world.events(user)).includes('password_changed done'))
  await world.signIn(user, other)
})

test('without the password before, nothing changes, and ten guesses are all', async () => {
  const user = await world.someone()
  const session = await world.signIn(user, password)
  for (let i = 0; i < 10; i++) {
    await assert.rejects(change(user, { before: `guess ${i}` }), refusal('credentials_invalid'))
  }
  await assert.rejects(change(user, {}), refusal('rate_limited'))
  await world.sessions.refresh(session.refreshToken, home)
  assert.deepEqual(await world.letters(), [])
  assert((await world.events(user)).includes('password_changed refused wrong'))
  world.pass(15n * MINUTE)
  await world.signIn(user, password)
})

test('a password that may not be used is refused before a guess is counted', async () => {
  const user = await world.someone()
  for (let i = 0; i < 20; i++) {
    await assert.rejects(change(user, { password: 'password' }), refusal('password_refused'))
  }
  await change(user, {})
})

const away = async () => await Promise.reject(new AppError('directory_unavailable'))

test('whatever becomes of the change, no other session of before or meanwhile is left', async () => {
  await world.letters()
  const user = await world.someone()
  const earlier = await world.signIn(user, password)
  const ask = { userId: user.userId, stays: null, before: password, password: other }
  const changeBy = async (change: typeof world.directory.change) => {
    const directory = { ...world.directory, change }
    await changePassword({ ...world.parts, directory }, { ...ask, whence: home })
  }
  await assert.rejects(changeBy(away), refusal('directory_unavailable'))
  const ended = world.sessions.refresh(earlier.refreshToken, home)
  await assert.rejects(ended, refusal('refresh_token_invalid'))
  assert.deepEqual(await world.letters(), [])

  let meanwhile = ''
  await changeBy(async (asked) => {
    meanwhile = (await world.signIn(user, password)).refreshToken
    return await world.directory.change(asked)
  })
  await assert.rejects(world.sessions.refresh(meanwhile, home), refusal('refresh_token_invalid'))
})

test('a closed user changes nothing', async () => {
  const user = await world.someone()
  await world.setTo(user, 'closed')
  await assert.rejects(change(user, {}), refusal('credentials_invalid'))
})

test('all that is guessed at one account is one budget, whichever of its logins is typed', async () => {
  const user = await world.someone()
  const guesses = [user.email, user.email.toUpperCase(), user.phoneNumber, user.handle]
  const signIn = async (login: string) =>
    await world.layer.signIn({ login, password: 'guessed', code: null }, home)
  for (const login of [...guesses, ...guesses]) {
    await assert.rejects(signIn(login), refusal('credentials_invalid'))
  }
  await assert.rejects(change(user, { before: 'guessed' }), refusal('credentials_invalid'))
  await assert.rejects(change(user, { before: 'guessed' }), refusal('credentials_invalid'))
  await assert.rejects(change(user, {}), refusal('rate_limited'))
  for (const login of guesses) await assert.rejects(signIn(login), refusal('rate_limited'))
})
