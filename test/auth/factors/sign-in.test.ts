import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { decodeJwt } from 'jose'
import { TOTP } from 'otpauth'
import { after as later, MINUTE } from '../../../src/time.ts'
import { here, openAuth } from '../../kit/auth.ts'
import { freshDatabase } from '../../kit/database.ts'
import type { FreshDatabase } from '../../kit/database.ts'
import { refusedAs } from '../../kit/refused.ts'
import { digestKey, start, whence } from './someone.ts'

let database: FreshDatabase

before(async () => {
  database = await freshDatabase()
})
after(async () => await database.drop())

let count = 0

/** Somebody who signs in by the API, with an authenticator app. */
async function withApp() {
  count += 1
  let now = start
  const clock = { now: () => now }
  const { layer, factors } = openAuth({ pool: database.pool, clock, digestKey })
  const login = `ann${count}@example.com`
  const password = 'x7-Kq2wz-correct'
  const phoneNumber = `+1202555010${count}`
  const ask = { email: login, phoneNumber, password, displayName: null, handle: null }
  const { userId } = await layer.signUp(ask, null, here)
  const { secret } = await factors.totp.begin(userId)
  const next = () => {
    now = later(now, MINUTE)
    return new TOTP({ secret }).generate({ timestamp: Number(now / 1_000n) })
  }
  await factors.totp.confirm(userId, next(), whence)
  return {
    userId,
    factors,
    next,
    signIn: async (code: string | null, shown = password) =>
      await layer.signIn({ login, password: shown, code }, here),
  }
}

test('the password alone opens nothing any more; with a code the session says so', async () => {
  const { signIn, next, factors, userId } = await withApp()
  await refusedAs('second_factor_required', signIn(null))
  const { accessToken } = await signIn(next())
  assert.deepEqual(decodeJwt(accessToken)['amr'], ['pwd', 'otp', 'mfa'])
  const [code = ''] = await factors.recoveryCodes.make(userId, whence)
  const { accessToken: recovered } = await signIn(code)
  assert.deepEqual(decodeJwt(recovered)['amr'], ['pwd', 'rc', 'mfa'])
  await refusedAs('credentials_invalid', signIn(code))
})

/** Attempts at codes that were counted, of all users. */
test('who does not know the password uses up no attempt at a code', async () => {
  const { signIn } = await withApp()
  for (let i = 0; i < 9; i += 1) await refusedAs('credentials_invalid', signIn('000000', 'wrong'))
  for (let i = 0; i < 10; i += 1) await refusedAs('credentials_invalid', signIn('000000'))
  await refusedAs('rate_limited', signIn('000000'))
})
