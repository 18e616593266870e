import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { isAccountNumber, lastFour } from '../../src/banks/bank-account.ts'
import { numberDigest, openSealed, type Owner, sealNumber } from '../../src/banks/seal.ts'
import { newId } from '../../src/ids/ids.ts'
import type { BankAccountId, UserId } from '../../src/ids/ids.ts'
import { currentKeyId, type SealKeys } from '../../src/seal.ts'

const accountNumber = fc.stringMatching(/^\d{4,17}$/)
const newOwner = (): Owner => ({ userId: newId('user'), bankAccountId: newId('bank') })
const keys: SealKeys = new Map([['first', randomBytes(32)]])
const owner = newOwner()

test('what is sealed opens again, leading zeros and all', () => {
  fc.assert(
    fc.property(accountNumber, (number) => {
      assert.equal(openSealed(keys, owner, sealNumber(keys, owner, number)), number)
    }),
  )
})

test('a sealed number holds nothing of the number, and never looks the same twice', () => {
  const one = sealNumber(keys, owner, '000123456789')
  const other = sealNumber(keys, owner, '000123456789')
  assert(!Buffer.from(one.bytes).includes('000123456789'))
  assert.notDeepEqual(one.bytes, other.bytes)
  assert.notDeepEqual(one.bytes.subarray(0, 12), other.bytes.subarray(0, 12))
})

test('what is stored keeps its form: a number that was sealed long ago still opens', () => {
  const old: SealKeys = new Map([['first', Buffer.alloc(32, 7)]])
  const whose = {
    userId: '0198f3c2-e1b7-7c3a-9d5e-0f1a2b3c4d5e' as UserId,
    bankAccountId: '0198f3c2-e1b7-7c3a-9d5e-0f1a2b3c4d5f' as BankAccountId,
  }
  const hex = '279709a33e64dcb099c7d5cb8a60f085f0de67e1075e60b36e1f8a06724a797896753a09abadcd4b'
  const sealed = { keyId: 'first', bytes: Buffer.from(hex, 'hex') }
  assert.equal(openSealed(old, whose, sealed), '000123456789')
})

test('every bit of every byte that is changed is noticed', () => {
  const sealed = sealNumber(keys, owner, '000123456789')
  for (let place = 0; place < sealed.bytes.length * 8; place += 1) {
    const bytes = Buffer.from(sealed.bytes)
    bytes.writeUInt8(bytes.readUInt8(place >> 3) ^ (1 << (place & 7)), place >> 3)
    assert.throws(() => openSealed(keys, owner, { ...sealed, bytes }), /not authentic/)
  }
})

test('a sealed number that is cut, at either end, is refused', () => {
  const sealed = sealNumber(keys, owner, '000123456789')
  for (let length = 0; length < sealed.bytes.length; length += 1) {
    const head = { ...sealed, bytes: sealed.bytes.subarray(0, length) }
    const tail = { ...sealed, bytes: sealed.bytes.subarray(sealed.bytes.length - length) }
    assert.throws(() => openSealed(keys, owner, head), /not authentic|cut short/)
    assert.throws(() => openSealed(keys, owner, tail), /not authentic|cut short/)
  }
})

test("a number sealed for one owner does not open in another's row", () => {
  const sealed = sealNumber(keys, owner, '000123456789')
  const others = [
    { ...owner, userId: newId('user') },
    { ...owner, bankAccountId: newId('bank') },
  ]
  for (const other of others) assert.throws(() => openSealed(keys, other, sealed), /not authentic/)
})

test('another key under the same id does not open it', () => {
  const sealed = sealNumber(keys, owner, '000123456789')
  const others = new Map([['first', randomBytes(32)]])
  assert.throws(() => openSealed(others, owner, sealed), /not authentic/)
})

test('after a rotation the old key still opens, and the new one seals', () => {
  const old = sealNumber(keys, owner, '000123456789')
  const rotated = new Map([['second', randomBytes(32)], ...keys])
  assert.equal(openSealed(rotated, owner, old), '000123456789')
  const fresh = sealNumber(rotated, owner, '000123456789')
  assert.equal(fresh.keyId, 'second')
  assert.equal(currentKeyId(rotated), 'second')
  assert.throws(() => openSealed(keys, owner, fresh), /key "second".*configuration lacks/)
})

test('keys that are missing or too short are refused by name', () => {
  assert.throws(() => sealNumber(new Map(), owner, '1234'), /no seal key/)
  const short = new Map([['short', randomBytes(16)]])
  assert.throws(() => sealNumber(short, owner, '1234'), /key "short" is not 32 bytes/)
})

test('no message of an error carries the number', () => {
  const sealed = sealNumber(keys, owner, '000123456789')
  const bytes = Buffer.from(sealed.bytes).fill(0, 12)
  assert.throws(
    () => openSealed(keys, owner, { ...sealed, bytes }),
    (error: Error) => !`${error.stack}${String(error.cause)}`.includes('123456789'),
  )
})

test('equal destinations have equal digests, and all others differ', () => {
  const key = randomBytes(32)
  const destination = fc.tuple(fc.stringMatching(/^\d{9}$/), accountNumber)
  fc.assert(
    fc.property(destination, destination, (one, other) => {
      const equal = numberDigest(key, ...one).equals(numberDigest(key, ...other))
      assert.equal(equal, one.join() === other.join())
    }),
  )
  assert(!numberDigest(key, '222222226', '1234').equals(numberDigest(key, '222222226', '01234')))
})

test('a digest needs the key', () => {
  const [one, other] = [randomBytes(32), randomBytes(32)]
  const digest = numberDigest(one, '222222226', '000123456789')
  assert.equal(digest.length, 32)
  assert(!digest.equals(numberDigest(other, '222222226', '000123456789')))
})

test('account numbers are 4 to 17 digits, as text', () => {
  for (const text of ['0000', '1234', '00012345678901234']) assert(isAccountNumber(text), text)
  for (const text of [
    '',
    '123',
    '123456789012345678',
    '12 34',
    '12-34',
    '1234\n',
    'abcd',
    '１２３４',
  ]) {
    assert(!isAccountNumber(text), text)
  }
})

test('at most four digits are shown, and never more than half', () => {
  fc.assert(
    fc.property(accountNumber, (number) => {
      const shown = lastFour(number)
      assert(number.endsWith(shown))
      assert(shown.length <= 4 && shown.length * 2 <= number.length)
      assert(number.length < 8 || shown.length === 4)
    }),
  )
})
