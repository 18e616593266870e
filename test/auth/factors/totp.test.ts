import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { after, before, test } from 'node:test'
import { Secret, TOTP, URI } from 'otpauth'
import { resealSecrets } from '../../../src/auth/factors/reseal.ts'
import { stepAt, stepOf } from '../../../src/auth/factors/steps.ts'
import { createTotp } from '../../../src/auth/factors/totp.ts'
import { needsSecond } from '../../../src/auth/factors/second-factors.ts'
import { MINUTE, SECOND } from '../../../src/time.ts'
import type { Micros } from '../../../src/time.ts'
import { freshDatabase } from '../../kit/database.ts'
import type { FreshDatabase } from '../../kit/database.ts'
import { refusedAs } from '../../kit/refused.ts'
import { eventsOf, rowsOf, someone, whence, world } from './someone.ts'
import type { World } from './someone.ts'

const STEP = 30n * SECOND
let database: FreshDatabase

before(async () => {
  database = await freshDatabase()
})
after(async () => await database.drop())

/** An app of another make: RFC 4226 section 5.4, by hand. */
function appCode(secret: string, at: Micros): string {
  const counter = Buffer.alloc(8)
  counter.writeBigUInt64BE(at / STEP)
  const key = Secret.fromBase32(secret).bytes
  const mac = createHmac('sha1', key).update(counter).digest()
  const offset = mac.readUInt8(19) & 0x0f
  const number = (mac.readUInt32BE(offset) & 0x7fff_ffff) % 1_000_000
  return String(number).padStart(6, '0')
}

const codeAt = ({ clock }: World, secret: string, span = 0n) =>
  appCode(secret, (clock.now() + span) as Micros)

/** Somebody with an app that is asked for; the step of the setting up is over. */
async function withApp(): Promise<World & Readonly<{ secret: string }>> {
  const here = await world(database)
  const { factors, user, pass } = here
  const { secret } = await factors.totp.begin(user.userId)
  await factors.totp.confirm(user.userId, codeAt(here, secret), whence)
  pass(2n * STEP)
  return { ...here, secret }
}

const wrongOf = (code: string) => String((Number(code) + 1) % 1_000_000).padStart(6, '0')

test('the codes of RFC 6238 are right in their step, and taken once', () => {
  // Appendix B, SHA-1: eight digits there, of which six are the last six.
  const secret = Secret.fromLatin1('12345678901234567890').base32
  const vectors: [seconds: bigint, step: bigint, code: string][] = [
    [59n, 0x1n, '94287082'],
    [1_111_111_109n, 0x23523ecn, '07081804'],
    [1_111_111_111n, 0x23523edn, '14050471'],
    [1_234_567_890n, 0x273ef07n, '89005924'],
    [2_000_000_000n, 0x3f940aan, '69279037'],
    [20_000_000_000n, 0x27bc86aan, '65353130'],
  ]
  for (const [seconds, step, digits] of vectors) {
    const now = (seconds * SECOND) as Micros
    const code = digits.slice(2)
    assert.equal(stepAt(now), step)
    assert.equal(stepOf({ secret, code, lastStep: 0n, now }), step)
    assert.equal(stepOf({ secret, code, lastStep: step - 1n, now }), step)
    assert.equal(stepOf({ secret, code, lastStep: step, now }), null)
  }
})

test('a code is right one step early and late, and not two', () => {
  const secret = Secret.fromLatin1('12345678901234567890').base32
  const code = '287082' // of step 1
  const taken = [0n, 1n, 2n, 3n, 4n].map((step) => {
    return stepOf({ secret, code, lastStep: -1n, now: (step * STEP) as Micros })
  })
  assert.deepEqual(taken, [1n, 1n, 1n, null, null])
})

test('an app that was begun is asked of nobody before it has shown a code', async () => {
  const here = await world(database)
  const { factors, user } = here
  const { secret } = await factors.totp.begin(user.userId)
  const code = codeAt(here, secret)
  assert(!needsSecond(await factors.enrolled(user.userId)))
  assert.equal(await factors.useCode(user.userId, code, whence), null)
  await refusedAs('code_wrong', factors.totp.confirm(user.userId, wrongOf(code), whence))
  await refusedAs('code_wrong', factors.totp.confirm(user.userId, '', whence))
  assert(!needsSecond(await factors.enrolled(user.userId)))
  const spaced = `${code.slice(0, 3)} ${code.slice(3)}`
  await factors.totp.confirm(user.userId, spaced, whence)
  const totp = { totp: true, passkeys: 0, recoveryCodes: 0 }
  assert.deepEqual(await factors.enrolled(user.userId), totp)
  assert.deepEqual(await eventsOf(database, user.userId), ['totp_added done'])
})

test('the link for apps says what they do: SHA-1, six digits, 30 s, whose and of whom', async () => {
  const { factors, user } = await world(database)
  const { uri, secret } = await factors.totp.begin(user.userId)
  const app = URI.parse(uri)
  assert(app instanceof TOTP)
  const { issuer, label, algorithm, digits, period } = app
  assert.deepEqual([issuer, label], ['Farthing', user.email])
  assert.deepEqual([algorithm, digits, period], ['SHA1', 6, 30])
  assert.equal(app.secret.base32, secret)
  assert.equal(app.secret.bytes.length, 20)
})

test('the code that set an app up signs nobody in, nor does one before it', async () => {
  const here = await world(database)
  const { factors, user, pass } = here
  const { secret } = await factors.totp.begin(user.userId)
  const [before, code] = [codeAt(here, secret, -STEP), codeAt(here, secret)]
  await factors.totp.confirm(user.userId, code, whence)
  assert.equal(await factors.useCode(user.userId, code, whence), null)
  assert.equal(await factors.useCode(user.userId, before, whence), null)
  pass(STEP)
  assert.equal(await factors.useCode(user.userId, codeAt(here, secret), whence), 'otp')
})

test('no code is taken twice, and none from before the last', async () => {
  const here = await withApp()
  const { factors, user, secret } = here
  const [old, code, next] = [-STEP, 0n, STEP].map((span) => codeAt(here, secret, span))
  assert(old && code && next)
  assert.equal(await factors.useCode(user.userId, code, whence), 'otp')
  assert.equal(await factors.useCode(user.userId, code, whence), null)
  assert.equal(await factors.useCode(user.userId, old, whence), null)
  assert.equal(await factors.useCode(user.userId, next, whence), 'otp')
})

test('of eight at once with one code, one signs in', async () => {
  const here = await withApp()
  const { factors, user, secret } = here
  const code = codeAt(here, secret)
  const all = Array.from(
    { length: 8 },
    async () => await factors.useCode(user.userId, code, whence),
  )
  const answers = await Promise.all(all)
  assert.equal(answers.filter((answer) => answer === 'otp').length, 1)
  assert.equal(answers.filter((answer) => answer === null).length, 7)
})

test('a clock that is set back takes no code again', async () => {
  const here = await withApp()
  const { factors, user, secret, pass } = here
  const code = codeAt(here, secret)
  assert.equal(await factors.useCode(user.userId, code, whence), 'otp')
  pass(-2n * STEP)
  assert.equal(await factors.useCode(user.userId, code, whence), null)
  assert.equal(await factors.useCode(user.userId, codeAt(here, secret), whence), null)
  pass(3n * STEP)
  assert.equal(await factors.useCode(user.userId, codeAt(here, secret), whence), 'otp')
})

test("another user's code is wrong", async () => {
  const [ann, bob] = [await withApp(), await withApp()]
  const code = codeAt(ann, ann.secret)
  assert.equal(await bob.factors.useCode(bob.user.userId, code, whence), null)
  assert.equal(await ann.factors.useCode(ann.user.userId, code, whence), 'otp')
})

test('a new app takes the place of the old one when it shows a code, and not before', async () => {
  const here = await withApp()
  const { factors, user, secret, pass } = here
  const { secret: second } = await factors.totp.begin(user.userId)
  assert.equal(await factors.useCode(user.userId, codeAt(here, secret), whence), 'otp')
  assert.equal(await factors.useCode(user.userId, codeAt(here, second), whence), null)
  await factors.totp.confirm(user.userId, codeAt(here, second), whence)
  pass(2n * STEP)
  assert.equal(await factors.useCode(user.userId, codeAt(here, secret), whence), null)
  assert.equal(await factors.useCode(user.userId, codeAt(here, second), whence), 'otp')
})

test('an app that is set up for longer than 15 minutes begins anew', async () => {
  const here = await world(database)
  const { factors, user, pass } = here
  const { userId } = user
  const { secret } = await factors.totp.begin(userId)
  pass(15n * MINUTE)
  await refusedAs('factor_unknown', factors.totp.confirm(userId, codeAt(here, secret), whence))
  const again = await factors.totp.begin(userId)
  assert.notEqual(again.secret, secret)
  pass(15n * MINUTE - STEP)
  await refusedAs('code_wrong', factors.totp.confirm(userId, codeAt(here, secret), whence))
  await factors.totp.confirm(userId, codeAt(here, again.secret), whence)
  await refusedAs(
    'factor_unknown',
    factors.totp.confirm(userId, codeAt(here, again.secret), whence),
  )
})

test('of two that confirm at once, one does', async () => {
  const here = await world(database)
  const { factors, user } = here
  const { secret } = await factors.totp.begin(user.userId)
  const code = codeAt(here, secret)
  const confirming = [1, 2].map(async () => {
    await factors.totp.confirm(user.userId, code, whence)
  })
  const done = await Promise.allSettled(confirming)
  assert.deepEqual(done.map(({ status }) => status).sort(), ['fulfilled', 'rejected'])
  assert.deepEqual(await eventsOf(database, user.userId), ['totp_added done'])
})

test('an app that is taken off is asked for no longer; a second time there is none', async () => {
  const here = await withApp()
  const { factors, user, secret } = here
  await factors.totp.begin(user.userId)
  await factors.totp.remove(user.userId, whence)
  assert(!needsSecond(await factors.enrolled(user.userId)))
  assert.equal(await factors.useCode(user.userId, codeAt(here, secret), whence), null)
  await refusedAs('factor_unknown', factors.totp.remove(user.userId, whence))
  const lines = await eventsOf(database, user.userId)
  assert.deepEqual(lines, ['totp_added done', 'totp_removed done'])
})

test('no table holds a secret', async () => {
  const here = await withApp()
  const { factors, user, secret } = here
  const begun = await factors.totp.begin(user.userId)
  const text = await rowsOf(database)
  assert(text.includes(user.userId))
  for (const shown of [secret, begun.secret]) {
    const { bytes } = Secret.fromBase32(shown)
    for (const form of [shown, Buffer.from(shown).toString('hex'), Buffer.from(bytes)]) {
      const plain = typeof form === 'string' ? form : form.toString('hex')
      assert(!text.toLowerCase().includes(plain.toLowerCase()))
    }
  }
})

test("a sealed secret does not open in another user's row", async () => {
  const [ann, bob] = [await withApp(), await withApp()]
  const { pool } = database
  const { rows } = await pool.query('select sealed from totp where user_id = $1', [ann.user.userId])
  const [theirs] = rows as { sealed: Buffer }[]
  await pool.query('update totp set sealed = $1 where user_id = $2', [
    theirs?.sealed,
    bob.user.userId,
  ])
  const code = codeAt(ann, ann.secret)
  await assert.rejects(bob.factors.useCode(bob.user.userId, code, whence), /not authentic/)
  await bob.factors.totp.remove(bob.user.userId, whence)
})

test('after a rotation of keys the secrets are sealed anew, and the old key may go', async () => {
  const here = await withApp()
  const { factors, user, secret, parts } = here
  const begun = await factors.totp.begin(user.userId)
  const second = new Map([['second', Buffer.alloc(32, 3)]])
  await assert.rejects(resealSecrets(database.pool, second), /key "first"/)
  assert((await resealSecrets(database.pool, new Map([...second, ...parts.sealKeys]))) >= 2)
  assert.equal(await resealSecrets(database.pool, second), 0)
  const rotated = createTotp({ ...parts, sealKeys: second })
  assert(await rotated.use(user.userId, codeAt(here, secret)))
  await rotated.confirm(user.userId, codeAt(here, begun.secret), whence)
})

test('a user who is not there begins nothing', async () => {
  const { factors } = await world(database)
  const { userId } = await someone(database)
  const nobody = userId.replace(/.{12}$/, '000000000000') as typeof userId
  await refusedAs('user_unknown', factors.totp.begin(nobody))
})
