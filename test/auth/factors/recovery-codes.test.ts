import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { TOTP } from 'otpauth'
import { AppError } from '../../../src/errors.ts'
import { DAY, HOUR, MINUTE, SECOND } from '../../../src/time.ts'
import { freshDatabase } from '../../kit/database.ts'
import type { FreshDatabase } from '../../kit/database.ts'
import { refusedAs } from '../../kit/refused.ts'
import { eventsOf, rowsOf, whence, world } from './someone.ts'
import type { World } from './someone.ts'

let database: FreshDatabase

before(async () => {
  database = await freshDatabase()
})
after(async () => await database.drop())

const codeOf = ({ clock }: World, secret: string) =>
  new TOTP({ secret }).generate({ timestamp: Number(clock.now() / 1_000n) })

/** Somebody with an app and recovery codes. */
async function withCodes() {
  const here = await world(database)
  const { factors, user, pass } = here
  const { secret } = await factors.totp.begin(user.userId)
  await factors.totp.confirm(user.userId, codeOf(here, secret), whence)
  pass(MINUTE)
  const codes = await factors.recoveryCodes.make(user.userId, whence)
  const [code = ''] = codes
  const use = async (text: string, network: string = whence.network) =>
    await factors.useCode(user.userId, text, { ...whence, network })
  return { ...here, secret, codes, code, use }
}

test('ten codes, each with 50 bits or more and no letter that looks like another', async () => {
  const { codes } = await withCodes()
  assert.equal(new Set(codes).size, 10)
  for (const code of codes) assert.match(code, /^([2-9b-df-hjkmnp-tv-z]{4}-){2}[2-9b-z]{4}$/)
  assert(12 * Math.log2(28) > 50)
})

test('each code works once, however it is typed', async () => {
  const { codes, use, factors, user } = await withCodes()
  const [first = '', second = '', third = '', ...others] = codes
  assert.equal(await use(first.toUpperCase().replaceAll('-', ' ')), 'rc')
  assert.equal(await use(`  ${second.replaceAll('-', '')}\n`), 'rc')
  assert.equal(await use(third.replaceAll('-', '—')), 'rc')
  for (const code of others) assert.equal(await use(code), 'rc')
  assert.equal((await factors.enrolled(user.userId)).recoveryCodes, 0)
  for (const code of [first, second, third, ...others].slice(0, 9)) {
    assert.equal(await use(code), null)
  }
})

test('of eight at once with one code, one signs in', async () => {
  const { code, use } = await withCodes()
  const answers = await Promise.all(Array.from({ length: 8 }, async () => await use(code)))
  assert.deepEqual(
    answers.filter((answer) => answer !== null),
    ['rc'],
  )
})

test('new codes take the place of the old ones', async () => {
  const { code, use, factors, user } = await withCodes()
  const [fresh = ''] = await factors.recoveryCodes.make(user.userId, whence)
  assert.equal((await factors.enrolled(user.userId)).recoveryCodes, 10)
  assert.equal(await use(code), null)
  assert.equal(await use(fresh), 'rc')
})

test("another user's code is wrong, and stays good for its owner", async () => {
  const [ann, bob] = [await withCodes(), await withCodes()]
  assert.equal(await bob.use(ann.code), null)
  assert.equal(await ann.use(ann.code), 'rc')
})

test("a digest that is moved to another user's row opens nothing there", async () => {
  const [ann, bob] = [await withCodes(), await withCodes()]
  await database.pool.query(
    `insert into recovery_code (user_id, digest, created_at)
     select $2, digest, created_at from recovery_code where user_id = $1`,
    [ann.user.userId, bob.user.userId],
  )
  assert.equal(await bob.use(ann.code), null)
})

test('no table holds a code', async () => {
  const { codes } = await withCodes()
  const text = await rowsOf(database)
  for (const code of codes) {
    const plain = code.replaceAll('-', '')
    for (const form of [code, plain, Buffer.from(plain).toString('hex')]) {
      assert(!text.includes(form))
    }
  }
})

test('who has no second factor gets no codes', async () => {
  const { factors, user } = await world(database)
  await refusedAs('factor_unknown', factors.recoveryCodes.make(user.userId, whence))
  await factors.totp.begin(user.userId)
  await refusedAs('factor_unknown', factors.recoveryCodes.make(user.userId, whence))
  assert.deepEqual(await eventsOf(database, user.userId), [])
})

test('with the last second factor go the recovery codes', async () => {
  const { factors, user, code, use } = await withCodes()
  await factors.totp.remove(user.userId, whence)
  const none = { totp: false, passkeys: 0, recoveryCodes: 0 }
  assert.deepEqual(await factors.enrolled(user.userId), none)
  assert.equal(await use(code), null)
})

test('texts that are no code are wrong, and nothing breaks', async () => {
  const { use } = await withCodes()
  const texts = ['', ' ', '12345', '1234567', '１２３４５６', '\u0000', 'é'.repeat(12)]
  for (const text of [...texts, '2'.repeat(100_000), '-'.repeat(64)]) {
    assert.equal(await use(text), null)
  }
})

const rateLimited = (seconds: number) => (error: unknown) => {
  assert(error instanceof AppError && error.code === 'rate_limited', String(error))
  assert.equal(error.facts['retryAfterSeconds'], seconds)
  return true
}

test('after ten wrong codes nothing is compared for the rest of 15 minutes', async () => {
  const here = await withCodes()
  const { code, use, secret, pass } = here
  for (let i = 0; i < 10; i += 1) {
    assert.equal(await use(i % 2 ? '2222-2222-2222' : 'wrong'), null)
    assert.equal(await use('000000'), null)
  }
  pass(5n * MINUTE)
  await assert.rejects(use(code), rateLimited(600))
  await assert.rejects(use(codeOf(here, secret)), rateLimited(600))
  pass(10n * MINUTE - SECOND)
  await assert.rejects(use(code), rateLimited(1))
  pass(SECOND)
  assert.equal(await use(code), 'rc')
})

test('of 40 wrong codes at once, ten are looked at', async () => {
  const { use } = await withCodes()
  const guesses = Array.from({ length: 40 }, async () => await use('000000'))
  const done = await Promise.allSettled(guesses)
  assert.equal(done.filter(({ status }) => status === 'fulfilled').length, 10)
})

test('right codes are not counted, and forgive no wrong ones', async () => {
  const { codes, use } = await withCodes()
  for (let i = 0; i < 9; i += 1) await use('wrong')
  for (const code of codes.slice(0, 5)) assert.equal(await use(code), 'rc')
  assert.equal(await use('wrong'), null)
  await assert.rejects(use(codes[5] ?? ''), rateLimited(900))
})

test('what one user guesses keeps no other out', async () => {
  const [ann, bob] = [await withCodes(), await withCodes()]
  for (let i = 0; i < 11; i += 1) await ann.use('wrong').catch(() => null)
  assert.equal(await bob.use(bob.code), 'rc')
})

test('thirty wrong codes of an app are all of a day, and recovery codes go on', async () => {
  const here = await withCodes()
  const { code, use, pass, secret } = here
  for (let round = 0; round < 3; round += 1) {
    for (let i = 0; i < 10; i += 1) assert.equal(await use('000000', `10.0.1.${i}`), null)
    pass(15n * MINUTE)
  }
  const tomorrow = rateLimited(Number((DAY - 45n * MINUTE) / SECOND))
  for (const network of [whence.network, 'another']) {
    await assert.rejects(use(codeOf(here, secret), network), tomorrow)
  }
  assert.equal(await use(code), 'rc')
  pass(DAY - 45n * MINUTE)
  assert.equal(await use(codeOf(here, secret), 'another'), 'otp')
})

test('whoever guesses elsewhere keeps nobody out where a code was right before', async () => {
  const here = await withCodes()
  const { code, codes, use, pass, secret } = here
  assert.equal(await use(code), 'rc')
  for (let round = 0; round < 3; round += 1) {
    for (let i = 0; i < 10; i += 1) {
      assert.equal(await use('000000', 'elsewhere'), null)
      assert.equal(await use('wrong', 'elsewhere'), null)
    }
    assert.equal(await use(codeOf(here, secret)), 'otp')
    pass(15n * MINUTE)
  }
  await assert.rejects(use(codeOf(here, secret), 'elsewhere'), AppError)
  assert.equal(await use(codeOf(here, secret)), 'otp')
  assert.equal(await use(codes[1] ?? '', 'elsewhere'), 'rc')
})

test('where a code was right before, thirty wrong ones are all of a day, too', async () => {
  const here = await withCodes()
  const { code, use, pass, secret } = here
  assert.equal(await use(code), 'rc')
  for (let round = 0; round < 3; round += 1) {
    for (let i = 0; i < 10; i += 1) assert.equal(await use('000000'), null)
    pass(15n * MINUTE)
  }
  const tomorrow = rateLimited(Number((DAY - 45n * MINUTE) / SECOND))
  await assert.rejects(use(codeOf(here, secret)), tomorrow)
})

test('a clock that is set back keeps nobody out for longer', async () => {
  const { code, use, pass } = await withCodes()
  for (let i = 0; i < 10; i += 1) await use('wrong')
  pass(-HOUR)
  assert.equal(await use(code), 'rc')
})

test('all factors can be taken off at once', async () => {
  const { factors, user } = await withCodes()
  await factors.totp.begin(user.userId)
  await factors.removeAll(database.pool, user.userId)
  const none = { totp: false, passkeys: 0, recoveryCodes: 0 }
  assert.deepEqual(await factors.enrolled(user.userId), none)
  const begun = 'select 1 from totp where user_id = $1'
  assert.equal((await database.pool.query(begun, [user.userId])).rowCount, 0)
})
