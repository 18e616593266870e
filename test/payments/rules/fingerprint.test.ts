import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { fingerprint } from '../../../src/payments/rules/fingerprint.ts'

const secret = randomBytes(32)

test('the same ask has the same fingerprint, and any other has another', () => {
  const ask = ['transaction.create', 'user', 'a', 100n, null]
  assert.equal(fingerprint(secret, [...ask]), fingerprint(Uint8Array.from(secret), ask))
  const others = [
    ['transaction.create', 'user', 'a', 101n, null],
    ['transaction.create', 'user', 'a', 100n, ''],
    ['transaction.create', 'usera', '', 100n, null],
    ['transaction.create', 'user', 'a', 100n],
  ]
  const made = new Set([ask, ...others].map((one) => fingerprint(secret, one)))
  assert.equal(made.size, 5)
})

test('without the key nobody can tell what was asked by trying', () => {
  const ask = ['verify', '123456']
  assert.notEqual(fingerprint(secret, ask), fingerprint(randomBytes(32), ask))
  const plain = createHash('sha256').update(JSON.stringify(ask)).digest('hex')
  assert.notEqual(fingerprint(secret, ask).replaceAll('-', ''), plain.slice(0, 32))
})
