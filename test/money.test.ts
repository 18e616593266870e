import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { AppError } from '../src/errors.ts'
import { money, MONEY_MAX, parseDollars, printDollars, TRANSACTION_MAX } from '../src/money.ts'

function refused(work: () => unknown, why: RegExp): void {
  assert.throws(work, (error) => {
    assert(error instanceof AppError)
    assert.equal(error.code, 'amount_invalid')
    assert.match(String(error.facts['why']), why)
    return true
  })
}

const cents = fc.bigInt(1n, TRANSACTION_MAX)

/** The same amount as people and programs may write it. */
function spellings(amount: bigint): readonly string[] {
  const text = amount.toString().padStart(3, '0')
  const [whole, fraction] = [text.slice(0, -2), text.slice(-2)]
  const plain = `${whole}.${fraction}`
  return [
    plain,
    `${plain}000`,
    `${amount}e-2`,
    `${plain}e0`,
    `${amount}E-02`,
    `0.${text}e+${text.length - 2}`,
  ]
    .concat(fraction.endsWith('0') ? [`${whole}.${fraction[0]}`] : [])
    .concat(fraction === '00' ? [whole, `${whole}.0`] : [])
    .filter((spelling) => !/^0\d/.test(spelling))
}

test('however an amount is written, it is read to the cent', () => {
  fc.assert(
    fc.property(cents, (amount) => {
      for (const text of spellings(amount)) {
        assert.equal(parseDollars(text), amount, text)
      }
    }),
  )
})

test('what a JSON number prints as is read as that number of cents', () => {
  fc.assert(
    fc.property(cents, (amount) => {
      const number = Number(`${amount / 100n}.${String(amount % 100n).padStart(2, '0')}`)
      assert.equal(parseDollars(JSON.stringify(number)), amount)
    }),
  )
})

test('what is printed is read back, without its sign and commas', () => {
  fc.assert(
    fc.property(cents, (amount) => {
      assert.equal(parseDollars(printDollars(amount).replaceAll(/[$,]/g, '')), amount)
    }),
  )
})

test('any text is an amount within bounds, or refused by name', () => {
  const alphabet = Array.from('0123456789.eE+- ,_$xInfNa')
  const text = fc.oneof(fc.string(), fc.string({ unit: fc.constantFrom(...alphabet) }))
  fc.assert(
    fc.property(text, (written) => {
      try {
        const amount = parseDollars(written)
        assert(amount >= 1n && amount <= TRANSACTION_MAX)
      } catch (error) {
        assert(error instanceof AppError && error.code === 'amount_invalid', String(error))
      }
    }),
    { numRuns: 2_000 },
  )
})

const read: readonly (readonly [string, bigint])[] = [
  ['0.01', 1n],
  ['1', 100n],
  ['12.34', 1_234n],
  ['1.005e3', 100_500n],
  ['1e7', 1_000_000_000n],
  ['10e-1', 100n],
  ['1.10000', 110n],
  ['99999999.99', TRANSACTION_MAX],
  ['9999999999e-2', TRANSACTION_MAX],
]
for (const [text, amount] of read) {
  test(`${text} dollars are ${amount} cents`, () => assert.equal(parseDollars(text), amount))
}

const unread: readonly (readonly [string, RegExp])[] = [
  ['0', /more than zero/],
  ['0.00', /more than zero/],
  ['-0', /more than zero/],
  ['-1', /more than zero/],
  ['1.005', /two decimals/],
  ['1e-7', /two decimals/],
  ['0.001', /two decimals/],
  ['100000000', /99,999,999\.99/],
  ['1e8', /99,999,999\.99/],
  ['1e999', /exponent/],
  ['1e-999', /exponent/],
  ['1e99999999999999999999', /exponent/],
  ['', /not a decimal/],
  ['NaN', /not a decimal/],
  ['Infinity', /not a decimal/],
  ['true', /not a decimal/],
  ['0x10', /not a decimal/],
  ['1n', /not a decimal/],
  ['1_000', /not a decimal/],
  ['1,000', /not a decimal/],
  ['+1', /not a decimal/],
  ['01', /not a decimal/],
  ['.5', /not a decimal/],
  ['5.', /not a decimal/],
  ['$5', /not a decimal/],
  [' 5', /not a decimal/],
  ['5\n', /not a decimal/],
  ['٥', /not a decimal/],
  ['1'.repeat(41), /not a decimal/],
]
for (const [text, why] of unread) {
  test(`${JSON.stringify(text.slice(0, 30))} is no amount`, () => {
    refused(() => parseDollars(text), why)
  })
}

test('money is whole cents from 0 to the largest integer that JSON carries', () => {
  assert.equal(money(0n), 0n)
  assert.equal(money(MONEY_MAX), BigInt(Number.MAX_SAFE_INTEGER))
  refused(() => money(-1n), /range/)
  refused(() => money(MONEY_MAX + 1n), /range/)
})

test('dollars are printed with their cents, commas and sign', () => {
  assert.deepEqual([0n, 5n, 123_456n, 100_000_000n, -123_456n].map(printDollars), [
    '$0.00',
    '$0.05',
    '$1,234.56',
    '$1,000,000.00',
    '-$1,234.56',
  ])
})
