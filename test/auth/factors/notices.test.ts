import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { TOTP } from 'otpauth'
import { createFactors } from '../../../src/auth/factors/factors.ts'
import { MINUTE } from '../../../src/time.ts'
import { markVerified } from '../../../src/users/store.ts'
import { freshDatabase } from '../../kit/database.ts'
import type { FreshDatabase } from '../../kit/database.ts'
import { add, phone } from './holder.ts'
import { start, whence, world } from './someone.ts'
import type { World } from './someone.ts'

let database: FreshDatabase
before(async () => {
  database = await freshDatabase()
})
after(async () => await database.drop())

/** Somebody whose e-mail address is proven. */
async function reachable(): Promise<World> {
  const here = await world(database)
  const { userId, email } = here.user
  assert(email !== null)
  const proven = { userId, channel: 'email', recipient: email, now: start } as const
  await markVerified(database.pool, proven)
  return here
}

const failing = async () => await Promise.reject(new Error('the server died'))

const codeOf = ({ clock }: World, secret: string) =>
  new TOTP({ secret }).generate({ timestamp: Number(clock.now() / 1_000n) })

/** What was sent to whom since the last call. */
async function subjects({ user }: World): Promise<readonly string[]> {
  const { rows } = await database.pool.query<{ subject: string }>(
    `with taken as (delete from graphile_worker._private_jobs returning *)
     select payload ->> 'subject' as subject from taken
     where payload ->> 'userId' = $1 order by id`,
    [user.userId],
  )
  return rows.map(({ subject }) => subject.replace(' Farthing account', ''))
}

const added = 'A sign-in method was added to your'
const removed = 'A sign-in method was removed from your'

test('the owner is told of each factor that comes or goes, and of new recovery codes', async () => {
  const here = await reachable()
  const { factors, user, pass } = here
  const { userId } = user
  const { secret } = await factors.totp.begin(userId)
  assert.deepEqual(await subjects(here), [])
  await factors.totp.confirm(userId, codeOf(here, secret), whence)
  assert.deepEqual(await subjects(here), [added])
  const { credentialId } = await add(here, phone())
  assert.deepEqual(await subjects(here), [added])
  pass(MINUTE)
  await factors.recoveryCodes.make(userId, whence)
  assert.deepEqual(await subjects(here), ['New recovery codes for your'])
  await factors.passkeys.remove(userId, credentialId, whence)
  await factors.totp.remove(userId, whence)
  assert.deepEqual(await subjects(here), [removed, removed])
})

test('a change that fails at its very end has told nobody, and one that holds has', async () => {
  const here = await reachable()
  const { factors, user, parts } = here
  const { secret } = await factors.totp.begin(user.userId)
  const dying = createFactors({ ...parts, record: failing })
  const code = codeOf(here, secret)
  await assert.rejects(dying.totp.confirm(user.userId, code, whence), /the server died/)
  assert.equal((await factors.enrolled(user.userId)).totp, false)
  assert.deepEqual(await subjects(here), [])
  await factors.totp.confirm(user.userId, code, whence)
  assert.deepEqual(await subjects(here), [added])
})
