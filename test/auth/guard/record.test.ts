import assert from 'node:assert/strict'
import { after as afterAll, before, test } from 'node:test'
import { DatabaseError } from 'pg'
import { changePassword } from '../../../src/auth/recovery/change-password.ts'
import { createFactorReset } from '../../../src/auth/recovery/factor-reset.ts'
import { createPasswordReset } from '../../../src/auth/recovery/password-reset.ts'
import type { UserId } from '../../../src/ids/ids.ts'
import type { Micros } from '../../../src/time.ts'
import { freshDatabase } from '../../kit/database.ts'
import type { FreshDatabase } from '../../kit/database.ts'
import { onCitus } from '../../kit/server.ts'
import {
  codeIn,
  codesOf,
  home,
  other,
  password,
  recoveryWorld,
  tokenIn,
} from '../recovery/kit/world.ts'

const start = 1_790_000_000_000_000n as Micros
const unknown = 'stranger.in.the.night@example.com'
const guess = 'guessed-Zz9-wrong'
/** People's names and contacts stand in these, and in no other. */
const withContacts = new Set(['app_user', 'login_name', 'contact_code', 'message'])
let database: FreshDatabase

before(async () => {
  database = await freshDatabase()
})
afterAll(async () => {
  await database.drop()
})

test('what was recorded cannot be changed, deleted or truncated', async () => {
  const { pool } = database
  const { parts } = recoveryWorld(database, start)
  await parts.record({ ...home, userId: null, kind: 'sign_in', outcome: 'refused', facts: {} })
  for (const statement of [
    `update auth_event set outcome = 'done'`,
    // Citus does not send a shard what can change no row.
    ...(onCitus() ? [] : [`update auth_event set facts = facts where false`]),
    'delete from auth_event',
    'truncate auth_event',
  ]) {
    await assert.rejects(pool.query(statement), (error: Error) => {
      const cause = error instanceof DatabaseError ? error : error.cause
      assert(cause instanceof DatabaseError && cause.code === '23001', String(error))
      return true
    })
  }
  const { rows } = await pool.query<{ outcome: string }>('select outcome from auth_event')
  assert.deepEqual(rows, [{ outcome: 'refused' }])
})

test('after all that can happen at the door, no table holds a secret or a login in clear', async () => {
  const { secrets, codes, logins } = await everything()
  const { rows: tables } = await database.pool.query<{ name: string }>(
    `select tablename as name from pg_tables where schemaname = 'public' order by 1`,
  )
  assert(tables.length > 25)
  const seen = new Set<string>()
  for (const { name } of tables) {
    const text = `select t::text as row from ${name} t`
    for (const { row } of (await database.pool.query<{ row: string }>(text)).rows) {
      seen.add(name)
      for (const secret of secrets) assert(!row.includes(secret), `${name}: ${row}`)
      // Not the digits of a time or of a digest, which may be the same by chance.
      for (const code of codes) assert(!new RegExp(`(?<![\\w.])${code}(?!\\w)`).test(row), row)
      if (withContacts.has(name)) continue
      for (const login of logins) assert(!row.includes(login), `${name}: ${row}`)
    }
  }
  const looked = ['auth_event', 'auth_ticket', 'credential', 'factor_reset', 'meter']
  for (const name of [...looked, 'refresh_token', 'revocation', 'session']) {
    assert(seen.has(name), `nothing was written to ${name}`)
  }
})

/** Signs in and fails to, refreshes, resets, changes, recovers. Gives what must not be found. */
async function everything() {
  const has = new Map<UserId, Set<string>>()
  const world = recoveryWorld(database, start, codesOf(has))
  const { parts, sessions, signIn } = world
  const user = await world.someone()
  const { userId, email } = user
  const session = await signIn(user, password)
  const next = await sessions.refresh(session.refreshToken, home)
  await assert.rejects(signIn(user, guess))
  await assert.rejects(signIn({ ...user, email: unknown }, guess))

  const reset = createPasswordReset(parts)
  await reset.ask(unknown, home)
  await reset.ask(email, home)
  const token = tokenIn((await world.letters())[0] ?? assert.fail())
  await reset.finish({ token, password: other, code: null, whence: home })
  const changed = { userId, stays: null, before: other, password, whence: home }
  await changePassword(parts, changed)
  await reset.ask(email, home)
  const second = tokenIn(
    (await world.letters()).find(({ body }) => body.includes('?token=')) ?? assert.fail(),
  )

  has.set(userId, new Set(['314159']))
  const factors = createFactorReset({
    ...parts,
    removeFactors: async () => await Promise.resolve(),
  })
  await factors.sendCodes({ userId, password, whence: home })
  const [emailCode, phoneCode] = (await world.letters()).map((letter) => codeIn(letter))
  assert(emailCode && phoneCode)
  const wrong = factors.ask({ userId, emailCode, phoneCode: '000000', whence: home })
  await assert.rejects(wrong)
  await factors.ask({ userId, emailCode, phoneCode, whence: home })
  const cancel = tokenIn((await world.letters())[0] ?? assert.fail()).slice(33)
  assert(token && second && cancel)
  return {
    secrets: [
      session.refreshToken,
      session.accessToken,
      next.refreshToken,
      next.accessToken,
      token,
      second,
      cancel,
      password,
      other,
      guess,
    ],
    codes: [emailCode, phoneCode],
    logins: [email, user.phoneNumber, unknown],
  }
}
