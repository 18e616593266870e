import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { createPasswords, paceOf } from '../../../src/auth/directories/passwords.ts'
import { parsePhc, printPhc } from '../../../src/auth/directories/phc.ts'
import { AppError } from '../../../src/errors.ts'

const cheap = { memoryKiB: 64, passes: 1, parallelism: 1 }
const passwords = createPasswords(cheap, { atOnce: 2, rests: 0 })
const bytes = fc.uint8Array({ minLength: 16, maxLength: 64 })
const count = (max: number) => fc.integer({ min: 1, max })

test('a PHC string reads back as what was printed', () => {
  fc.assert(
    fc.property(
      count(9_999_999),
      count(99),
      count(99),
      bytes,
      bytes,
      (memoryKiB, passes, parallelism, salt, tag) => {
        const cost = { memoryKiB, passes, parallelism }
        const hash = { ...cost, salt: Buffer.from(salt), tag: Buffer.from(tag) }
        assert.deepEqual(parsePhc(printPhc(hash)), hash)
      },
    ),
  )
})

test('anything else is not read as one', () => {
  fc.assert(fc.property(fc.string(), (text) => assert.equal(parsePhc(text), null)))
  assert.equal(parsePhc(passwords.dummy.replace('argon2id', 'argon2i')), null)
  assert.equal(parsePhc(passwords.dummy.replace('v=19', 'v=16')), null)
  assert.equal(parsePhc(`${passwords.dummy} `), null)
})

test('only the password itself verifies, in any Unicode form', async () => {
  await fc.assert(
    fc.asyncProperty(fc.string({ unit: 'grapheme' }), fc.string(), async (password, other) => {
      const phc = await passwords.hash(password)
      assert(await passwords.verify(password.normalize('NFD'), phc))
      const same = password.normalize('NFKC') === other.normalize('NFKC')
      assert.equal(await passwords.verify(other, phc), same)
    }),
    { numRuns: 50 },
  )
})

test('two hashes of one password differ, and neither holds it', async () => {
  const [first, second] = await Promise.all([
    passwords.hash('hunter-22x'),
    passwords.hash('hunter-22x'),
  ])
  assert.notEqual(first, second)
  assert(!first.includes('hunter'))
})

test('a hash made at another cost still verifies and asks to be made anew', async () => {
  const old = await createPasswords({ ...cheap, passes: 3 }, { atOnce: 2, rests: 0 }).hash(
    'x7-Kq2wz',
  )
  assert(await passwords.verify('x7-Kq2wz', old))
  assert(passwords.needsRehash(old))
  assert(!passwords.needsRehash(await passwords.hash('x7-Kq2wz')))
})

test('the dummy costs as much as a real hash and no password fits it', async () => {
  const { salt: _salt, tag: _tag, ...cost } = parsePhc(passwords.dummy) ?? assert.fail()
  assert.deepEqual(cost, cheap)
  assert(!(await passwords.verify('', passwords.dummy)))
})

/** From the tests of the reference implementation, github.com/P-H-C/phc-winner-argon2. */
test('the tag is that of the reference implementation', async () => {
  const phc =
    '$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc'
  assert(await passwords.verify('password', phc))
})

test('a broken stored hash is a bug, and its text is in no message', async () => {
  const secret = '$argon2id$v=19$m=1$secret'
  await assert.rejects(passwords.verify('x', secret), (error: Error) => {
    return !(error instanceof AppError) && !error.message.includes('secret')
  })
})

test('200 at once: 66 are hashed, the rest hear overloaded, and then it works again', async () => {
  // One that has learnt nothing yet: on a busy machine fewer would have their turn in time.
  const fresh = createPasswords(cheap, { atOnce: 2, rests: 0 })
  const all = await Promise.allSettled(
    Array.from({ length: 200 }, async () => await fresh.hash('x')),
  )
  const refused = all.filter(({ status }) => status === 'rejected')
  assert.equal(refused.length, 134)
  for (const { reason } of refused as PromiseRejectedResult[]) {
    assert(reason instanceof AppError && reason.code === 'overloaded')
  }
  assert(await fresh.verify('x', await fresh.hash('x')))
})

test('beside servers hashing takes a third of a quarter of the cores, alone half of them', () => {
  const shared = [1, 2, 4, 8, 64].map((cores) => paceOf(cores, 'shared').atOnce)
  assert.deepEqual(shared, [1, 1, 1, 2, 4])
  assert.equal(paceOf(64, 'shared').rests, 2)
  const alone = [1, 2, 4, 8, 64].map((cores) => paceOf(cores, 'alone'))
  assert.deepEqual(
    alone.map(({ atOnce }) => atOnce),
    [1, 1, 2, 4, 4],
  )
  assert(alone.every(({ rests }) => rests === 0))
})
