import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { createBuiltinDirectory } from '../../../src/auth/directories/builtin.ts'
import { createPasswords } from '../../../src/auth/directories/passwords.ts'
import {
  readCredential,
  rehashCredential,
  writeCredential,
} from '../../../src/auth/directories/store.ts'
import { inTransaction } from '../../../src/db/tx.ts'
import { AppError } from '../../../src/errors.ts'
import { newId, printId } from '../../../src/ids/ids.ts'
import { after as later, DAY, MINUTE, SECOND } from '../../../src/time.ts'
import type { Micros } from '../../../src/time.ts'
import { setStatus } from '../../../src/users/freeze.ts'
import { openUser } from '../../../src/users/open.ts'
import type { Reachable } from '../../../src/users/open.ts'
import type { User, UserStatus } from '../../../src/users/user.ts'
import { here, names, openAuth, verifierOf } from '../../kit/auth.ts'
import { freshDatabase } from '../../kit/database.ts'
import type { FreshDatabase } from '../../kit/database.ts'

const start = 1_790_000_000_000_000n as Micros
const password = 'x7-Kq2wz-correct'
const cost = { memoryKiB: 64, passes: 1, parallelism: 1 }
const options = { lockTimeoutMs: 5_000 }
const address = '10.0.0.1'

let database: FreshDatabase
let count = 0

before(async () => {
  database = await freshDatabase()
})
after(async () => {
  await database.drop()
})

type Ask = Readonly<{ login: string; password: string; address: string }>

/** Sessions with a clock of their own, and someone who has the password. */
async function world() {
  let now = start
  const clock = { now: () => now }
  const { pool } = database
  const { directory, keys, layer } = openAuth({ pool, clock, digestKey: new Uint8Array(32) })
  const user = await someone(directory)
  return {
    user,
    directory,
    sessions: {
      signIn: async ({ login, password, address: network }: Ask) =>
        await layer.signIn({ login, password, code: null }, { network, device: null }),
      refresh: async (token: string) => await layer.refresh(token, here),
      signOut: layer.signOut,
    },
    verify: verifierOf({ keys, ...names, clock }),
    signIn: { login: user.email, password, address },
    pass: (span: bigint) => {
      now = later(now, span)
    },
  }
}

async function someone(directory: ReturnType<typeof createBuiltinDirectory>): Promise<Reachable> {
  count++
  const phoneNumber = `+1202555${String(count).padStart(4, '0')}`
  const ask = {
    userId: newId('user'),
    email: `person${count}@example.com`,
    phoneNumber,
    now: start,
  }
  const known = { ...ask, handle: null }
  const enrolled = await directory.enroll({ userId: ask.userId, password, known })
  return await inTransaction(
    database.pool,
    async (tx) => {
      await directory.record(tx, { userId: ask.userId, enrolled, now: start })
      return await openUser(tx, { ...ask, handle: null, displayName: null })
    },
    options,
  )
}

async function reusesOf({ userId }: User) {
  const { rows } = await database.pool.query(
    `select network, device, outcome, facts from auth_event
     where user_id = $1 and kind = 'refresh_reused'`,
    [userId],
  )
  return rows
}

async function setTo(user: User, status: UserStatus): Promise<void> {
  await inTransaction(
    database.pool,
    async (tx) => await setStatus(tx, user.userId, status),
    options,
  )
}

const refusal = (code: string) => (error: unknown) => {
  assert(error instanceof AppError, String(error))
  assert.equal(error.code, code)
  return true
}

test('any name of a user signs them in, and the token names the session', async () => {
  const { user, sessions, signIn, verify } = await world()
  for (const login of [user.email.toUpperCase(), user.phoneNumber, user.handle]) {
    const tokens = await sessions.signIn({ ...signIn, login })
    assert.equal(tokens.userId, user.userId)
    assert.equal(tokens.expiresIn, 300)
    const { userId, sessionId } = await verify(tokens.accessToken)
    assert.equal(userId, user.userId)
    const { rows } = await database.pool.query<{ expiresAt: Micros }>(
      `select expires_at as "expiresAt" from session where user_id = $1 and session_id = $2`,
      [userId, sessionId],
    )
    assert.deepEqual(rows, [{ expiresAt: later(start, 14n * DAY) }])
  }
})

test('unknown login, wrong password and closed user are one answer, without facts', async () => {
  const { user, sessions, signIn } = await world()
  const closed = await world()
  await setTo(closed.user, 'closed')
  const asks = [
    { ...signIn, password: `${password}!` },
    { ...signIn, password: '' },
    { ...signIn, login: 'nobody@example.com' },
    { ...signIn, login: '' },
    { ...signIn, login: 'no such ☂ login' },
    { ...signIn, login: user.userId },
    closed.signIn,
  ]
  for (const ask of asks) {
    await assert.rejects(sessions.signIn(ask), (error) => {
      assert(error instanceof AppError)
      assert.deepEqual([error.code, error.facts], ['credentials_invalid', {}])
      return true
    })
  }
})

function median(times: readonly number[]): number {
  return times.toSorted((a, b) => a - b)[Math.floor(times.length / 2)] ?? assert.fail()
}

test('an unknown login costs a hash too', async () => {
  const dear = createPasswords(
    { memoryKiB: 8_192, passes: 3, parallelism: 1 },
    { atOnce: 2, rests: 0 },
  )
  const directory = createBuiltinDirectory({ db: database.pool, passwords: dear })
  const { user } = await world()
  const known = { email: null, handle: null, phoneNumber: null }
  const { userId } = user
  const enrolled = await directory.enroll({ userId, password, known })
  await directory.record(database.pool, { userId, enrolled, now: start })
  const times = { known: [] as number[], unknown: [] as number[] }
  for (let i = 0; i < 15; i++) {
    // In turns, so that a busy machine slows both alike.
    for (const [kind, whose] of [
      ['known', userId],
      ['unknown', null],
    ] as const) {
      const begun = performance.now()
      assert.equal(await directory.verify(whose, 'wrong-password'), 'wrong')
      times[kind].push(performance.now() - begun)
    }
  }
  // A login that skipped the hash would answer in a tenth of the time.
  assert(median(times.unknown) > median(times.known) / 2, JSON.stringify(times))
})

test('a frozen user signs in and refreshes', async () => {
  const { user, sessions, signIn } = await world()
  await setTo(user, 'frozen')
  const { refreshToken } = await sessions.signIn(signIn)
  await sessions.refresh(refreshToken)
})

test('after ten wrong passwords from one place, the right one is not looked at', async () => {
  const { sessions, signIn, pass } = await world()
  for (let i = 0; i < 10; i++) {
    const wrong = sessions.signIn({ ...signIn, password: 'wrong' })
    await assert.rejects(wrong, refusal('credentials_invalid'))
  }
  await assert.rejects(sessions.signIn(signIn), (error) => {
    return error instanceof AppError && error.facts['retryAfterSeconds'] === 900
  })
  const spelledAnew = sessions.signIn({ ...signIn, login: ` ${signIn.login.toUpperCase()} ` })
  await assert.rejects(spelledAnew, refusal('rate_limited'))
  await sessions.signIn({ ...signIn, address: '10.0.0.2' })
  pass(15n * MINUTE)
  await sessions.signIn(signIn)
})

test('a refresh gives a new pair for the same session, again and again', async () => {
  const { user, sessions, signIn, verify, pass } = await world()
  let tokens = await sessions.signIn(signIn)
  const { sessionId } = await verify(tokens.accessToken)
  const seen = new Set([tokens.refreshToken])
  for (let i = 0; i < 5; i++) {
    pass(5n * MINUTE)
    tokens = await sessions.refresh(tokens.refreshToken)
    const actor = await verify(tokens.accessToken)
    assert.deepEqual([actor.userId, actor.sessionId], [user.userId, sessionId])
    seen.add(tokens.refreshToken)
  }
  assert.equal(seen.size, 6)
})

test('of 50 refreshes with one token at once, one succeeds, and its session lives', async () => {
  const { sessions, signIn } = await world()
  const { refreshToken } = await sessions.signIn(signIn)
  const all = await Promise.allSettled(
    Array.from({ length: 50 }, async () => await sessions.refresh(refreshToken)),
  )
  const won = all.filter((result) => result.status === 'fulfilled')
  assert.equal(won.length, 1)
  for (const result of all) {
    if (result.status === 'rejected') refusal('refresh_token_invalid')(result.reason)
  }
  await sessions.refresh(won[0]?.value.refreshToken ?? assert.fail())
})

test('a used token is only refused for ten seconds; after that it ends the session', async () => {
  const { user, verify, sessions, signIn, pass } = await world()
  const first = await sessions.signIn(signIn)
  const elsewhere = await sessions.signIn(signIn)
  const { sessionId } = await verify(first.accessToken)
  const second = await sessions.refresh(first.refreshToken)
  pass(10n * SECOND)
  await assert.rejects(sessions.refresh(first.refreshToken), refusal('refresh_token_invalid'))
  const third = await sessions.refresh(second.refreshToken)
  assert.deepEqual(await reusesOf(user), [], 'two tabs are no thief')

  pass(1n)
  await assert.rejects(sessions.refresh(first.refreshToken), refusal('refresh_token_invalid'))
  await assert.rejects(sessions.refresh(first.refreshToken), refusal('refresh_token_invalid'))
  const facts = { session: printId('sess', sessionId) }
  assert.deepEqual(await reusesOf(user), [{ ...here, outcome: 'refused', facts }])
  await assert.rejects(sessions.refresh(third.refreshToken), refusal('refresh_token_invalid'))
  await sessions.refresh(elsewhere.refreshToken)
})

test('the session ends after 14 days, however often it was refreshed', async () => {
  const { sessions, signIn, pass } = await world()
  let { refreshToken } = await sessions.signIn(signIn)
  for (let day = 0; day < 13; day++) {
    pass(DAY)
    refreshToken = (await sessions.refresh(refreshToken)).refreshToken
  }
  pass(DAY - 1n)
  refreshToken = (await sessions.refresh(refreshToken)).refreshToken
  pass(1n)
  await assert.rejects(sessions.refresh(refreshToken), refusal('refresh_token_invalid'))
})

test('signing out ends this session and no other, and twice is once', async () => {
  const { sessions, signIn, verify } = await world()
  const here = await sessions.signIn(signIn)
  const elsewhere = await sessions.signIn(signIn)
  const actor = await verify(here.accessToken)
  await sessions.signOut(actor, { network: address, device: null })
  await sessions.signOut(actor, { network: address, device: null })
  await assert.rejects(sessions.refresh(here.refreshToken), refusal('refresh_token_invalid'))
  await sessions.refresh(elsewhere.refreshToken)
})

test('a closed user cannot refresh', async () => {
  const { user, sessions, signIn } = await world()
  const { refreshToken } = await sessions.signIn(signIn)
  await setTo(user, 'closed')
  await assert.rejects(sessions.refresh(refreshToken), refusal('refresh_token_invalid'))
})

test('no other text is a refresh token', async () => {
  const { user, sessions, signIn } = await world()
  const other = await world()
  const { refreshToken, accessToken } = await sessions.signIn(signIn)
  const [, , secret = ''] = refreshToken.split('_')
  const otherHex = other.user.userId.replaceAll('-', '')
  const changed = refreshToken.slice(0, -1) + (refreshToken.endsWith('A') ? 'E' : 'A')
  const texts = ['', 'rt_', accessToken, changed, ` ${refreshToken}`, `rt_${otherHex}_${secret}`]
  for (const text of [...texts, `rt_${user.userId}_${secret}`, 'rt_'.repeat(50_000)]) {
    await assert.rejects(sessions.refresh(text), refusal('refresh_token_invalid'))
  }
  await sessions.refresh(refreshToken)
})

test('the next sign-in clears away sessions that are over, and only those', async () => {
  const { user, sessions, signIn, pass } = await world()
  const old = await sessions.signIn(signIn)
  await sessions.refresh(old.refreshToken)
  pass(7n * DAY)
  await sessions.signIn(signIn)
  pass(7n * DAY)
  await sessions.signIn(signIn)
  const rows = async (table: string) => {
    const text = `select count(*) from ${table} where user_id = $1`
    return (await database.pool.query<{ count: bigint }>(text, [user.userId])).rows[0]?.count
  }
  assert.deepEqual([await rows('session'), await rows('refresh_token')], [2n, 2n])
})

test('ten sign-ins of one user at once all succeed, with sessions to clear', async () => {
  const { sessions, signIn, pass } = await world()
  for (let i = 0; i < 5; i++) await sessions.signIn(signIn)
  pass(14n * DAY)
  await Promise.all(Array.from({ length: 10 }, async () => await sessions.signIn(signIn)))
})

test('no table holds a token or a password', async () => {
  const { user, sessions, signIn } = await world()
  const { refreshToken, accessToken } = await sessions.signIn(signIn)
  for (const table of ['credential', 'session', 'refresh_token']) {
    const text = `select t::text as row from ${table} t where user_id = $1`
    const { rows } = await database.pool.query<{ row: string }>(text, [user.userId])
    assert(rows.length > 0)
    for (const secret of [refreshToken, accessToken, password]) {
      assert(!rows.some(({ row }) => row.includes(secret)), table)
    }
  }
})

test('a sign-in hashes the password anew when its cost is not today’s', async () => {
  const { user, sessions, signIn } = await world()
  const phcOf = async () => {
    const text = 'select phc from credential where user_id = $1'
    return (await database.pool.query<{ phc: string }>(text, [user.userId])).rows[0]?.phc ?? ''
  }
  const old = await createPasswords({ ...cost, passes: 3 }, { atOnce: 2, rests: 0 }).hash(password)
  await database.pool.query('update credential set phc = $2 where user_id = $1', [user.userId, old])
  await sessions.signIn(signIn)
  assert.match(await phcOf(), /\$m=64,t=1,p=1\$/)
  const current = await phcOf()
  await sessions.signIn(signIn)
  assert.equal(await phcOf(), current)
})

test('hashing anew never brings back a password that was changed meanwhile', async () => {
  const { user } = await world()
  const changed = await createPasswords(cost, { atOnce: 2, rests: 0 }).hash('x7-Kq2wz-changed')
  const ask = { userId: user.userId, phc: changed, now: start }
  await writeCredential(database.pool, ask)
  await rehashCredential(database.pool, { ...ask, before: 'as it was read', after: 'stale' })
  assert.equal(await readCredential(database.pool, user.userId), changed)
})

test('a bad password is refused with the reason', async () => {
  const { directory } = await world()
  const known = { email: 'ann.lee@example.com', handle: null, phoneNumber: null }
  await assert.rejects(
    directory.enroll({ userId: newId('user'), password: 'ann.lee-2026', known }),
    (error) => {
      assert(error instanceof AppError && error.code === 'password_refused')
      assert.equal(error.facts['why'], 'contains your e-mail address, handle or phone number')
      return true
    },
  )
})
