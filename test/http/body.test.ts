import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { AppError } from '../../src/errors.ts'
import { parseBody } from '../../src/http/body.ts'

const parse = (text: string): unknown => parseBody(Buffer.from(text))

function refused(body: Buffer | string): void {
  assert.throws(
    () => parseBody(Buffer.from(body)),
    (error) => error instanceof AppError && error.code === 'json_invalid',
  )
}

test('an amount comes as the text it was written in, number or string', () => {
  const number = fc
    .tuple(fc.bigInt({ min: 0n, max: 10n ** 30n }), fc.option(fc.stringMatching(/^\d{1,30}$/)))
    .map(([whole, fraction]) => (fraction === null ? `${whole}` : `${whole}.${fraction}`))
  fc.assert(
    fc.property(number, (text) => {
      assert.deepEqual(parse(`{"amount": ${text}, "note":"12"}`), { amount: text, note: '12' })
      assert.deepEqual(parse(`{"amount":"${text}"}`), { amount: text })
    }),
  )
  for (const text of ['1e3', '1.10', '-0', '0.1e-7', '123456789012345678901234567890.01']) {
    assert.deepEqual(parse(`{"amount":${text}}`), { amount: text })
  }
})

test('whatever else is JSON comes as JSON.parse has it', () => {
  const value = fc.jsonValue({ depthSize: 'small', maxDepth: 10 })
  fc.assert(
    fc.property(value, (value) => {
      const text = JSON.stringify(value)
      fc.pre(!/__proto__|constructor|amount|\\u0000|\\ud/.test(text))
      assert.deepEqual(parse(text), JSON.parse(text))
    }),
  )
})

test('no bytes make it throw anything but a refusal', () => {
  const piece = fc.constantFrom('{', '}', '[', ']', '"', '\\', ':', ',', '1', 'a', '\ud800', 'null')
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
    fc.array(piece, { maxLength: 60 }).map((pieces) => Buffer.from(pieces.join(''))),
  )
  fc.assert(
    fc.property(bytes, (bytes) => {
      try {
        parseBody(bytes)
      } catch (error) {
        assert(error instanceof AppError, String(error))
      }
    }),
    { numRuns: 2_000 },
  )
})

const nest = (depth: number): string => '['.repeat(depth) + ']'.repeat(depth)

test('sixteen levels are read, seventeen are not, whatever is inside strings', () => {
  assert.doesNotThrow(() => parse(nest(16)))
  refused(nest(17))
  refused('{"a":'.repeat(17) + '1' + '}'.repeat(17))
  refused('['.repeat(10_000))
  assert.deepEqual(parse(`{"note":"${'['.repeat(100)}\\"${'{'.repeat(100)}"}`), {
    note: `${'['.repeat(100)}"${'{'.repeat(100)}`,
  })
})

test('a member that is given twice is refused, also when its name is spelled differently', () => {
  refused('{"amount":1,"amount":2}')
  refused('{"amount":1,"\\u0061mount":2}')
  assert.deepEqual(parse('{"a":"b:c,\\":","d":{"e":1}}'), { a: 'b:c,":', d: { e: 1 } })
})

test('what no table can store and what would poison objects is refused', () => {
  for (const text of [
    '{"note":"\\u0000"}',
    '{"note":"\\ud800"}',
    '{"note":"\\udc00x"}',
    '["\\ud83d"]',
    '{"__proto__":{"a":1}}',
    '{"a":{"constructor":{}}}',
  ]) {
    refused(text)
  }
  assert.deepEqual(parse('{"note":"\\ud83d\\ude00"}'), { note: '😀' })
})

test('what is not UTF-8 or not JSON is refused', () => {
  refused(Buffer.from([0x22, 0xc3, 0x28, 0x22]))
  refused(Buffer.from([0x22, 0xed, 0xa0, 0x80, 0x22])) // a surrogate in UTF-8
  refused(Buffer.from([0xef, 0xbb, 0xbf, 0x7b, 0x7d])) // a byte order mark
  refused(Buffer.from('{}', 'utf16le'))
  for (const text of [
    'NaN',
    '{"amount":NaN}',
    '{"amount":+1}',
    '{"amount":01}',
    "{'a':1}",
    '{}x',
    ' ',
  ]) {
    refused(text)
  }
})

/** What JSON says, with each number under the name `amount` as it is written. */
const exact = (text: string): unknown =>
  (JSON.parse as (text: string, revive: unknown) => unknown)(
    text,
    (name: string, value: unknown, { source }: { source?: string }) =>
      typeof value === 'number' && name === 'amount' ? source : value,
  )

test('a body is read alike whether it is plain or not, and an amount as it was written', () => {
  const blank = fc.constantFrom('', ' ', '\n', '\t ')
  const digits = fc.constantFrom(
    '0',
    '0.1',
    '12.34',
    '1e2',
    '-3',
    '1E+2',
    '0.30000000000000004',
    '99',
  )
  const text = fc.string({ unit: fc.constantFrom(...Array.from('ab:,{}[]é"\\')), maxLength: 8 })
  const name = fc.oneof(fc.constantFrom('amount', 'note', 'xamount', 'amoun'), text)
  const value = fc.oneof(
    digits,
    text.map((one) => JSON.stringify(one)),
    fc.constantFrom('null', 'true'),
  )
  const member = fc.record({ name, value, before: blank, after: blank })
  fc.assert(
    fc.property(
      fc.uniqueArray(member, { selector: (one) => one.name, maxLength: 5 }),
      (members) => {
        const written = members.map(
          ({ name, value, before, after }) => `${JSON.stringify(name)}${before}:${after}${value}`,
        )
        const body = `{${written.join(',')}}`
        assert.deepEqual(parseBody(Buffer.from(body)), exact(body))
      },
    ),
    { numRuns: 3_000 },
  )
})
