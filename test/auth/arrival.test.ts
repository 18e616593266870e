import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { createArrivals } from '../../src/auth/arrival.ts'
import type { Whence } from '../../src/auth/guard/record.ts'
import { DAY, MINUTE, printTime } from '../../src/time.ts'
import type { Micros } from '../../src/time.ts'
import { freshDatabase } from '../kit/database.ts'
import type { FreshDatabase } from '../kit/database.ts'
import { recoveryWorld } from './recovery/kit/world.ts'
import type { Letter, Person, RecoveryWorld } from './recovery/kit/world.ts'

const firefox = 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0'
const iphone = 'Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Safari/604.1'
const home: Whence = { network: '10.0.0.1', device: firefox, clientId: 'web' }
const away: Whence = { network: '203.0.113.7', device: iphone, clientId: 'web' }

let database: FreshDatabase
let world: RecoveryWorld
before(async () => {
  database = await freshDatabase()
  world = recoveryWorld(database, 1_790_000_000_000_000n as Micros)
})
after(async () => await database.drop())

/** Signs in from there, a minute later, and gives what is sent to whom. */
async function arrive({ userId }: Person, place: Whence): Promise<readonly Letter[]> {
  world.pass(MINUTE)
  await createArrivals(world.parts)(userId, place, ['pwd', 'otp', 'mfa'])
  return await world.letters()
}

function recipientsOf(letters: readonly Letter[]): readonly string[] {
  return letters.map(({ recipient }) => recipient)
}

test('the first sign-in of all tells nobody: nothing can be new to them', async () => {
  assert.deepEqual(await arrive(await world.someone(), home), [])
})

test('another device at home tells nobody', async () => {
  const ann = await world.someone()
  await arrive(ann, home)
  assert.deepEqual(await arrive(ann, { ...home, device: 'another' }), [])
})

test('a device that anybody could name theirs is told of elsewhere, but once a day', async () => {
  const ann = await world.someone()
  await arrive(ann, home)
  const carried = (network: string) => ({ ...home, network })
  assert.equal((await arrive(ann, carried('198.51.100.1'))).length, 2)
  for (let i = 2; i < 6; i++) {
    assert.deepEqual(await arrive(ann, carried(`198.51.100.${i}`)), [])
  }
  assert.equal((await arrive(ann, away)).length, 2)
  world.pass(DAY)
  assert.equal((await arrive(ann, carried('198.51.100.6'))).length, 2)
})

test('what is older than is remembered is not even looked at: the key bounds the read', async () => {
  const ann = await world.someone()
  await arrive(ann, home)
  // Its id says 1970, so it must not be found, though its time would let it count.
  await database.pool.query(
    `insert into auth_event (user_id, event_id, at, kind, outcome, network, device)
     values ($1, '00000000-0000-7000-8000-000000000000', $2, 'sign_in', 'done', $3, $4)`,
    [ann.userId, printTime(world.clock.now()), away.network, away.device],
  )
  assert.equal((await arrive(ann, away)).length, 2)
})

test('where both are new the owner is told on every proven contact, once', async () => {
  const ann = await world.someone()
  await arrive(ann, home)
  const letters = await arrive(ann, away)
  assert.deepEqual(recipientsOf(letters), [ann.email, ann.phoneNumber])
  for (const { body } of letters) assert.match(body, /an iPhone/)
  assert.match(letters[0]?.body ?? '', /203\.0\.113\.7/)
  assert.deepEqual(await arrive(ann, away), [])
})

test('contacts that nobody has proven are told nothing', async () => {
  const eve = await world.unproven()
  await arrive(eve, home)
  assert.deepEqual(await arrive(eve, away), [])
})

test("where somebody else is at home is new to one's own account", async () => {
  const [ann, bob] = [await world.someone(), await world.someone()]
  await arrive(ann, home)
  await arrive(bob, away)
  assert.deepEqual(recipientsOf(await arrive(ann, away)), [ann.email, ann.phoneNumber])
})

test('a refused sign-in makes no place known', async () => {
  const ann = await world.someone()
  await arrive(ann, home)
  const { record } = world.parts
  const { userId } = ann
  await record({ ...away, userId, kind: 'sign_in', outcome: 'refused', facts: { why: 'wrong' } })
  assert.equal((await arrive(ann, away)).length, 2)
})

test('a place is known for 90 days, and who comes back after a year is told as well', async () => {
  const ann = await world.someone()
  await arrive(ann, home)
  world.pass(89n * DAY)
  assert.deepEqual(await arrive(ann, home), [])
  world.pass(365n * DAY)
  assert.equal((await arrive(ann, away)).length, 2)
})

test('each sign-in is written down with what was shown', async () => {
  const ann = await world.someone()
  await arrive(ann, home)
  const { rows } = await database.pool.query<{ facts: object; network: string; device: string }>(
    `select facts, network, device from auth_event where user_id = $1 and kind = 'sign_in'`,
    [ann.userId],
  )
  const { network, device } = home
  assert.deepEqual(rows, [{ facts: { methods: 'pwd otp mfa' }, network, device }])
})
