import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { AppError } from '../../src/errors.ts'
import { parseKey } from '../../src/http/idempotency.ts'

test('quoted and bare are one key', () => {
  fc.assert(
    fc.property(fc.stringMatching(/^[!#-[\]-~]{1,255}$/), (key) => {
      assert.equal(parseKey(key), key)
      assert.equal(parseKey(`"${key}"`), key)
    }),
  )
})

test('what is no key is refused', () => {
  const keys = ['', '"', '""', 'a b', '"a', 'a"', 'a\\b', 'é', 'a\tb', 'a, b', 'x'.repeat(256)]
  for (const key of keys) {
    assert.throws(
      () => parseKey(key),
      (error) => error instanceof AppError && error.code === 'idempotency_key_invalid',
      key,
    )
  }
})
