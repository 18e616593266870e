import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { createDenyList } from '../../../src/access/deny-list.ts'
import { changeRole } from '../../../src/auth/sessions/change-role.ts'
import { newId } from '../../../src/ids/ids.ts'
import { SECOND, systemClock } from '../../../src/time.ts'
import type { Micros } from '../../../src/time.ts'
import { verifierOf, names } from '../../kit/auth.ts'
import { freshDatabase } from '../../kit/database.ts'
import type { FreshDatabase } from '../../kit/database.ts'
import { refusedAs } from '../../kit/refused.ts'
import { home, password, recoveryWorld } from '../recovery/kit/world.ts'
import type { RecoveryWorld } from '../recovery/kit/world.ts'

const by = { name: 'a test', network: null, device: null, clientId: null } as const
let database: FreshDatabase
let world: RecoveryWorld
before(async () => {
  database = await freshDatabase()
  world = recoveryWorld(database, ((systemClock.now() / SECOND) * SECOND) as Micros)
})
after(async () => await database.drop())

const failing = async () => await Promise.reject(new Error('no record'))

async function denied(token: string): Promise<boolean> {
  const { clock, keys } = world
  const list = createDenyList({ db: database.pool, clock })
  await list.start()
  const actor = await verifierOf({ keys, ...names, clock })(token)
  const answer = list.denies(actor)
  await list.stop()
  return answer
}

test('whoever is no operator any more is none from then on, not from the next token on', async () => {
  const user = await world.someone()
  const { userId } = user
  await changeRole(world.parts, { userId, role: 'operator', by })
  world.pass(10n * SECOND)
  const { accessToken, refreshToken } = await world.signIn(user, password)
  const verify = verifierOf({ keys: world.keys, ...names, clock: world.clock })
  assert.deepEqual((await verify(accessToken)).roles, ['operator'])
  assert.equal(await denied(accessToken), false)

  await changeRole(world.parts, { userId, role: null, by })
  assert.equal(await denied(accessToken), true)
  world.pass(6n * SECOND)
  const fresh = await world.sessions.refresh(refreshToken, home)
  assert.deepEqual((await verify(fresh.accessToken)).roles, [])
  assert.equal(await denied(fresh.accessToken), false)
})

test('each change is written down once; what changes nothing ends nothing', async () => {
  const user = await world.someone()
  const { userId } = user
  for (const role of ['support', 'support', 'operator', null, null] as const) {
    await changeRole(world.parts, { userId, role, by })
  }
  const { rows } = await database.pool.query<{ facts: object }>(
    `select facts from auth_event where user_id = $1 and kind = 'role_changed' order by event_id`,
    [userId],
  )
  assert.deepEqual(
    rows.map(({ facts }) => facts),
    ['support', 'operator', 'customer'].map((role) => ({ role, by: 'a test' })),
  )
  const revoked = 'select from revocation where subject = $1'
  assert.equal((await database.pool.query(revoked, [userId])).rowCount, 3)
})

test('a change that cannot be written down is not made', async () => {
  const { userId } = await world.someone()
  const change = { userId, role: 'operator', by } as const
  await assert.rejects(changeRole({ ...world.parts, record: failing }, change), /no record/)
  assert.deepEqual((await world.directory.standing(userId)).roles, [])
  await refusedAs('user_unknown', changeRole(world.parts, { ...change, userId: newId('user') }))
})
