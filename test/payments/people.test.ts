import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { inTransaction } from '../../src/db/tx.ts'
import type { UserId } from '../../src/ids/ids.ts'
import { readMailbox } from '../../src/messages/mailbox.ts'
import { sendCode } from '../../src/payments/people.ts'
import { MINUTE } from '../../src/time.ts'
import { codeRecipient } from '../../src/users/code-recipient.ts'
import type { Reachable } from '../../src/users/open.ts'
import { refusedAs } from '../kit/refused.ts'
import { startWorld } from '../kit/world.ts'
import type { World } from '../kit/world.ts'

let world: World
before(async () => {
  world = await startWorld()
})
after(async () => {
  await world.assertBooks()
  await world.close()
})

async function userOf(id: UserId): Promise<Reachable> {
  const { user } = await world.payments.ownUser(id, { start: null, end: null })
  const { email, phoneNumber } = user
  assert(email !== null && phoneNumber !== null)
  return { ...user, email, phoneNumber }
}

async function subjectsTo(recipient: string): Promise<readonly string[]> {
  return (await readMailbox(world.pool, recipient, 20)).map(({ subject }) => subject)
}

async function codeTo(recipient: string): Promise<string> {
  return await world.until(async () => {
    const [latest] = await readMailbox(world.pool, recipient, 1)
    return /\b\d{6}\b/.exec(latest?.body ?? '')?.[0]
  })
}

const EMAIL_CHANGED = 'Your Farthing e-mail address was changed'
const PHONE_CHANGED = 'Your Farthing phone number was changed'

test('whoever changes and proves another address neither hides it nor reads codes', async () => {
  const alice = await world.person()
  const { email, phoneNumber } = await userOf(alice)
  const [thief, phone] = [`thief-${email}`, '+14155550123']
  await world.payments.changeProfile(alice, { email: thief, phoneNumber: phone }, null, {
    fresh: true,
  })
  await world.until(async () => (await subjectsTo(email)).includes(EMAIL_CHANGED))
  await world.until(async () => (await subjectsTo(phoneNumber)).includes(PHONE_CHANGED))

  await world.payments.confirmContact(alice, { channel: 'email', code: await codeTo(thief) }, null)
  const user = await userOf(alice)
  assert.notEqual(user.emailVerifiedAt, null)
  const now = world.parts.clock.now()
  assert.deepEqual(codeRecipient(user, now), { channel: 'email', recipient: email })
})

test('an address that nobody proved is told of nothing', async () => {
  const alice = await world.person()
  const first = `first-${(await userOf(alice)).email}`
  await world.payments.changeProfile(alice, { email: first }, null, { fresh: true })
  // Before the next one takes its place, and it is not worth sending any more.
  await codeTo(first)
  world.advance(MINUTE)
  await world.payments.changeProfile(alice, { email: `second-${first}` }, null, { fresh: true })
  await codeTo(`second-${first}`)
  assert.deepEqual(await subjectsTo(first), ['Your Farthing code'])
})

test('a code that proves a contact stands in no job', async () => {
  const alice = await world.person()
  const email = `new-${(await userOf(alice)).email}`
  await world.payments.changeProfile(alice, { email }, null, { fresh: true })
  const before = await codeTo(email)
  world.advance(MINUTE)
  const jobs = await inTransaction(
    world.pool,
    async (tx) => {
      await sendCode(world.parts, tx, alice, 'email')
      const { rows } = await tx.query<{ job: string }>(
        `select payload::text as job from graphile_worker._private_jobs
         where payload ->> 'recipient' = $1`,
        [email],
      )
      return rows.map(({ job }) => job)
    },
    { lockTimeoutMs: 2_000 },
  )
  const code = await world.until(async () => {
    const latest = await codeTo(email)
    return latest !== before && latest
  })
  assert.equal(jobs.length, 1)
  assert(!jobs.join().includes(code))
  await world.payments.confirmContact(alice, { channel: 'email', code }, null)
})

test('an address may be changed again at once; its code is then to be asked for', async () => {
  const alice = await world.person()
  const { email } = await userOf(alice)
  await world.payments.changeProfile(alice, { email: `typo-${email}` }, null, { fresh: true })
  const right = `right-${email}`
  const { value } = await world.payments.changeProfile(alice, { email: right }, null, {
    fresh: true,
  })
  assert.equal(value.user.email, right)
  await refusedAs('rate_limited', world.payments.sendContactCode(alice, 'email', null))
  world.advance(MINUTE)
  await world.payments.sendContactCode(alice, 'email', null)
  await world.payments.confirmContact(alice, { channel: 'email', code: await codeTo(right) }, null)
  assert.notEqual((await userOf(alice)).emailVerifiedAt, null)
})
