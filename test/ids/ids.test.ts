import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { idPattern, newId, parseId, printId } from '../../src/ids/ids.ts'
import type { IdKind } from '../../src/ids/ids.ts'

const kinds: readonly IdKind[] = ['user', 'bank', 'txn', 'sess', 'msg']
const kind = fc.constantFrom(...kinds)
const uuid = fc.uuid()

test('an id goes out and comes back, and its schema knows it', () => {
  fc.assert(
    fc.property(kind, uuid, (of, id) => {
      const printed = printId(of, id)
      assert.equal(parseId(of, printed), id)
      assert.match(printed, new RegExp(idPattern(of)))
    }),
  )
})

test('an id of one kind is none of another', () => {
  fc.assert(
    fc.property(kind, kind, uuid, (of, other, id) => {
      if (of !== other) assert.equal(parseId(other, printId(of, id)), null)
    }),
  )
})

test('what is read as an id is printed as it was written', () => {
  const digits = fc.string({
    unit: fc.constantFrom(...Array.from('0123456789abcdefAg-_ ')),
    maxLength: 40,
  })
  fc.assert(
    fc.property(kind, fc.oneof(fc.string(), digits), (of, text) => {
      for (const written of [text, `${of}_${text}`]) {
        const id = parseId(of, written)
        if (id !== null) assert.equal(printId(of, id), written)
      }
    }),
    { numRuns: 1_000 },
  )
})

const good = printId('txn', newId('txn'))
const bad: Readonly<Record<string, string>> = {
  'upper-case digits': good.toUpperCase().replace('TXN', 'txn'),
  'the inside form': newId('txn'),
  'a digit too few': good.slice(0, -1),
  'a digit too many': `${good}0`,
  'a line break behind it': `${good}\n`,
  'a space for a digit': `${good.slice(0, -1)} `,
  'no kind': good.slice(4),
  nothing: '',
}
for (const [what, text] of Object.entries(bad)) {
  test(`no id: ${what}`, () => {
    assert.equal(parseId('txn', text), null)
    assert.doesNotMatch(text, new RegExp(idPattern('txn')))
  })
}

test('ids made one after the other sort so, in both forms, and never repeat', () => {
  const ids = Array.from({ length: 20_000 }, () => newId('txn'))
  assert.deepEqual(ids.toSorted(), ids)
  const printed = ids.map((id) => printId('txn', id))
  assert.deepEqual(printed.toSorted(), printed)
  assert.equal(new Set(ids).size, ids.length)
})

test('a clock that steps back does not put an id before an older one', (t) => {
  t.mock.timers.enable({ apis: ['Date'], now: Date.now() + 60_000 })
  const before = newId('user')
  t.mock.timers.setTime(Date.now() - 3_600_000)
  const later = Array.from({ length: 1_000 }, () => newId('user'))
  assert.deepEqual([before, ...later].toSorted(), [before, ...later])
})

test('an id tells its millisecond, and nothing else that could be guessed', () => {
  const [start, id, end] = [Date.now(), newId('sess'), Date.now()]
  const at = Number.parseInt(id.replaceAll('-', '').slice(0, 12), 16)
  // Another test may have run the clock of the ids ahead; they never fall behind the machine's.
  assert(at >= start && at <= end + 60_000)
  assert.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
  const tails = new Set(Array.from({ length: 1_000 }, () => newId('sess').slice(-8)))
  assert(tails.size > 990, 'the last 32 bits are random')
})
