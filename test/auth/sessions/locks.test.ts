import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { SESSIONS_MAX } from '../../../src/auth/sessions/sessions.ts'
import type { Sessions } from '../../../src/auth/sessions/sessions.ts'
import { inTransaction } from '../../../src/db/tx.ts'
import { newId } from '../../../src/ids/ids.ts'
import type { UserId } from '../../../src/ids/ids.ts'
import { after as later, SECOND } from '../../../src/time.ts'
import { startWorld } from '../../kit/world.ts'
import type { World } from '../../kit/world.ts'

const ROUNDS = 6
const SIGN_INS = 30
const browsers = ['one', 'two', 'three', 'four', 'five'] as const
const transaction = { lockTimeoutMs: 2_000 }

let world: World
let sessions: Sessions
before(async () => {
  world = await startWorld()
  ;({ sessions } = world.auth)
})
after(async () => await world.end())

/** A session that began in a browser of its user, whose own row the provider keeps. */
async function signIn(userId: UserId, browser: string) {
  await world.pool.query(
    `insert into oidc_payload (kind, id, payload, uid)
     values ('Session', $1, jsonb_build_object('accountId', $2::text), $3)`,
    [newId('sess'), `user_${userId.replaceAll('-', '')}`, browser],
  )
  return await sessions.open({
    userId,
    clientId: 'web',
    methods: ['pwd'],
    network: null,
    device: null,
    authenticatedAt: later(world.parts.clock.now(), SECOND),
    browserId: browser,
  })
}

test('sessions that end and begin in all ways at once wait for each other, and none for ever', async () => {
  const userId = await world.person()
  for (let round = 0; round < ROUNDS; round += 1) {
    const begun = []
    for (let i = 0; i < SIGN_INS; i += 1) {
      begun.push(await signIn(userId, `${browsers[i % browsers.length]} ${round}`))
    }
    const one = begun.map(async (sessionId) => {
      await sessions.end({ userId, sessionId })
    })
    const inOne = [...browsers].reverse().map(async (browser) => {
      await sessions.endIn({ userId, browserId: `${browser} ${round}` }, null)
    })
    const all = browsers.map(async (browser) => {
      const work = sessions.endAll
      const stays = `${browser} ${round}`
      await inTransaction(world.pool, async (tx) => await work(tx, userId, stays), transaction)
    })
    const anew = browsers.map(async (browser) => {
      await signIn(userId, `${browser} of round ${round}`)
    })
    const mixed = [...anew, ...one, ...inOne, ...all]
    const failed = (await Promise.allSettled(mixed)).filter(({ status }) => status === 'rejected')
    assert.deepEqual(failed, [])
  }
})

test('of those who sign in at once, each makes room, and none waits for ever', async () => {
  const userId = await world.person()
  for (let i = 0; i < SESSIONS_MAX; i += 1) await signIn(userId, `old ${i}`)
  const anew = await Promise.allSettled(
    Array.from({ length: SIGN_INS }, async (_, i) => await signIn(userId, `new ${i}`)),
  )
  assert.deepEqual(
    anew.filter(({ status }) => status === 'rejected'),
    [],
  )
  assert.equal((await sessions.list(userId)).length, SESSIONS_MAX)
})
