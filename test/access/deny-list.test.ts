import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Customer } from '../../src/access/actor.ts'
import { createDenyList, LOOK_MAX_MS, PAUSE_MS } from '../../src/access/deny-list.ts'
import type { DenyList, DenyListParts } from '../../src/access/deny-list.ts'
import { inTransaction } from '../../src/db/tx.ts'
import { AppError } from '../../src/errors.ts'
import { newId } from '../../src/ids/ids.ts'
import { after as later, printTime, SECOND, systemClock } from '../../src/time.ts'
import type { Micros } from '../../src/time.ts'
import { freshDatabase } from '../kit/database.ts'
import type { FreshDatabase } from '../kit/database.ts'
import { until } from '../kit/until.ts'
import { here, openAuth, verifierOf, names } from '../kit/auth.ts'

let database: FreshDatabase
before(async () => {
  database = await freshDatabase()
})
after(async () => await database.drop())

/** A list that reads until the test is over. */
async function listFor(t: TestContext, change: Partial<DenyListParts> = {}): Promise<DenyList> {
  const list = createDenyList({ db: database.pool, clock: systemClock, ...change })
  t.after(list.stop)
  await list.start()
  return list
}

const start = later(systemClock.now(), -(systemClock.now() % SECOND))

function holder(issuedAt: Micros = start): Customer {
  return {
    kind: 'user',
    userId: newId('user'),
    sessionId: newId('sess'),
    clientId: 'web',
    scopes: new Set(),
    roles: [],
    authenticatedAt: null,
    methods: [],
    issuedAt,
    expiresAt: later(issuedAt, 300n * SECOND),
  }
}

async function revoke(
  subject: string | null,
  at: Micros = start,
  expiresAt: Micros = later(start, 600n * SECOND),
): Promise<void> {
  await database.pool.query(
    `insert into revocation (revocation_id, subject, before, expires_at)
     values (gen_random_uuid(), $1, $2, $3)`,
    [subject, printTime(at), printTime(expiresAt)],
  )
}

/** Reads the table, and counts the looks. Those behind `last` wait until the test is over. */
function counted(t: TestContext) {
  const looks = { begun: 0, over: 0, last: Infinity }
  const { promise: end, resolve } = Promise.withResolvers<void>()
  t.after(() => resolve())
  const query = async (...ask: Parameters<typeof database.pool.query>) => {
    looks.begun += 1
    if (looks.begun > looks.last) await end
    const answer = await database.pool.query(...ask)
    looks.over += 1
    return answer
  }
  return { looks, db: { query } as DenyListParts['db'] }
}

test('what is ended in one process is ended in all others at their next look', async (t) => {
  const counts = [counted(t), counted(t)]
  const lists = await Promise.all(counts.map(async ({ db }) => await listFor(t, { db })))
  const auth = openAuth({ pool: database.pool, clock: systemClock, digestKey: new Uint8Array(32) })
  const sign = { email: 'a@example.com', phoneNumber: '+14155550100', password: 'otters in canoes' }
  await auth.layer.signUp({ ...sign, displayName: null, handle: null }, null, here)
  const ask = { login: sign.email, password: sign.password, code: null }
  const { accessToken } = await auth.layer.signIn(ask, here)
  const verify = verifierOf({ keys: auth.keys, ...names, clock: systemClock })
  const actor = await verify(accessToken)
  for (const list of lists) assert.equal(list.denies(actor), false)

  await auth.layer.signOut(actor, here)
  for (const [i, list] of lists.entries()) {
    const looks = counts[i]?.looks ?? assert.fail()
    // The first that begins from now on: whichever is under way may have missed it.
    looks.last = looks.begun + 1
    await until('the next look is over', () => looks.over === looks.last)
    await sleep(1)
    assert.equal(list.denies(actor), true)
  }
})

test('a look and the pause before it take less than a second, whatever the machine', async (t) => {
  assert(PAUSE_MS + LOOK_MAX_MS < 1_000)
  const timers: number[] = []
  const real = globalThis.setTimeout
  const watched = (run: () => void, ms?: number) => {
    timers.push(ms ?? 0)
    return real(run, ms)
  }
  t.mock.method(globalThis, 'setTimeout', watched as typeof setTimeout)
  const { db, looks } = counted(t)
  const list = createDenyList({ db, clock: systemClock })
  t.after(list.stop)
  await list.start()
  assert(timers.includes(PAUSE_MS), 'it waits for as long as it says')
  assert.equal(looks.over, 1)
})

test('a session that was ended is over for its tokens of all times, and for no other', async (t) => {
  const old = holder(later(start, -100n * SECOND))
  const young = { ...old, issuedAt: later(start, 100n * SECOND) }
  await revoke(old.sessionId)
  const list = await listFor(t)
  assert.equal(list.denies(old), true)
  assert.equal(list.denies(young), true)
  assert.equal(list.denies({ ...old, sessionId: newId('sess') }), false)
  assert.equal(list.denies({ ...old, sessionId: null }), false)
  list.check()
})

test('a user’s tokens end up to the very second, for a token knows no more', async (t) => {
  const user = holder()
  await revoke(user.userId, later(start, 1n))
  const list = await listFor(t)
  const other = { ...user, sessionId: null }
  assert.equal(list.denies(other), true)
  assert.equal(list.denies({ ...other, issuedAt: later(start, -SECOND) }), true)
  assert.equal(list.denies({ ...other, issuedAt: later(start, SECOND) }), false)
})

test('the later of two ends counts, whichever is read last', async (t) => {
  const user = holder(later(start, 5n * SECOND))
  const list = await listFor(t)
  await revoke(user.userId, later(start, 10n * SECOND))
  await until('it is denied', () => list.denies(user))
  await revoke(user.userId, start)
  await sleep(800)
  assert.equal(list.denies(user), true)
})

test('all that counts is known before the start is over, however much it is', async (t) => {
  await database.pool.query(
    `insert into revocation (revocation_id, subject, before, revoked_at, expires_at)
     select gen_random_uuid(), gen_random_uuid(), $1, $1, $2 from generate_series(1, 11000)`,
    [printTime(start), printTime(later(start, 600n * SECOND))],
  )
  const { rows } = await database.pool.query<{ subject: Customer['userId'] }>(
    'select subject from revocation where revoked_at = $1',
    [printTime(start)],
  )
  const list = await listFor(t)
  assert(rows.length >= 11_000)
  for (const { subject } of rows) {
    assert(list.denies({ ...holder(), userId: subject }), 'one was lost between two pages')
  }
})

test('a row that appears behind newer ones is not missed', async (t) => {
  const [slow, quick] = [holder(), holder()]
  const list = await listFor(t)
  await inTransaction(
    database.pool,
    async (tx) => {
      await tx.query(
        `insert into revocation (revocation_id, subject, before, expires_at)
         values (gen_random_uuid(), $1, $2, $3)`,
        [slow.sessionId, printTime(start), printTime(later(start, 600n * SECOND))],
      )
      await revoke(quick.sessionId)
      await until('the newer one is read', () => list.denies(quick))
      assert.equal(list.denies(slow), false)
    },
    { lockTimeoutMs: 1_000 },
  )
  await until('the older one is read', () => list.denies(slow))
})

test('what ends tokens that have ended by themselves is neither read nor kept', async (t) => {
  let now = start
  const user = holder()
  await revoke(user.sessionId, start, later(start, SECOND))
  const clock = { now: () => now }
  const list = await listFor(t, { clock })
  assert.equal(list.denies(user), true)
  now = later(start, 2n * SECOND)
  await until('it is forgotten', () => !list.denies(user))
  const next = await listFor(t, { clock })
  assert.equal(next.denies(user), false)
})

test('a list that cannot be read lets nobody in, until it can be read again', async (t) => {
  let away = false
  const db = {
    query: async (...ask: Parameters<typeof database.pool.query>) => {
      if (away) throw new AppError('database_unavailable')
      return await database.pool.query(...ask)
    },
  } satisfies DenyListParts['db']
  const list = await listFor(t, { db, staleAfterMs: 1_500 })
  const user = holder()
  assert.equal(list.denies(user), false)
  away = true
  const answer = () => {
    try {
      return list.denies(user)
    } catch (error) {
      return error instanceof AppError && error.code
    }
  }
  await until('it is too old', () => answer() === 'database_unavailable')
  assert.throws(() => list.denies({ ...user, kind: 'service' }), AppError)
  away = false
  await until('it is read again', () => answer() === false)
})

test('without a database there is no start', async () => {
  const refusal = new AppError('database_unavailable')
  const list = createDenyList({
    db: { query: async () => await Promise.reject(refusal) },
    clock: systemClock,
  })
  await assert.rejects(list.start(), refusal)
  assert.throws(() => list.denies(holder()), AppError)
  assert.throws(list.check, AppError)
})
