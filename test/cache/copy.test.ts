import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { parseCopy, printCopy } from '../../src/cache/copy.ts'

const text = fc.oneof(
  fc.string(),
  fc.string().map((rest) => `#${rest}`),
  fc.bigInt().map((n) => `#${n}`),
)
const leaf = fc.oneof(text, fc.bigInt(), fc.integer(), fc.boolean(), fc.constant(null))
const { view } = fc.letrec((tie) => ({
  view: fc.oneof({ depthSize: 'small' }, leaf, tie('list'), tie('members')),
  list: fc.array(tie('view')),
  members: fc.dictionary(fc.stringMatching(/^[a-z][A-Za-z]{0,9}$/), tie('view'), {
    noNullPrototype: true,
  }),
}))

test('what a copy is read as is what it was written from', () => {
  fc.assert(fc.property(view, (value) => assert.deepEqual(parseCopy(printCopy(value)), value)))
})

test('what is no copy is no value', () => {
  for (const wrong of ['', '{', '"#x"', '"#1.5"']) {
    assert.throws(() => parseCopy(wrong), SyntaxError)
  }
})
