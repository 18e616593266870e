import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { isRoutingNumber } from '../../src/banks/routing.ts'

const digit = fc.integer({ min: 0, max: 9 })

/** Eight digits, and the ninth that makes the sum of the standard a multiple of ten. */
const checked = fc.array(digit, { minLength: 8, maxLength: 8 }).map((digits) => {
  const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0, g = 0, h = 0] = digits
  const sum = 3 * (a + d + g) + 7 * (b + e + h) + (c + f)
  return [...digits, (10 - (sum % 10)) % 10].join('')
})

const nonZero = checked.filter((text) => text !== '000000000')

test('every number that passes the checksum is taken where any prefix is', () => {
  fc.assert(fc.property(nonZero, (text) => assert(isRoutingNumber(text, 'any'))))
})

test('every change of a single digit is caught', () => {
  const change = fc.record({ place: fc.nat(8), by: fc.integer({ min: 1, max: 9 }) })
  fc.assert(
    fc.property(nonZero, change, (text, { place, by }) => {
      const digits = text.split('')
      digits[place] = String((Number(digits[place]) + by) % 10)
      assert(!isRoutingNumber(digits.join(''), 'any'))
    }),
  )
})

test('neighbours that change places are caught, unless they differ by five', () => {
  fc.assert(
    fc.property(nonZero, fc.nat(7), (text, place) => {
      const [one = '', other = ''] = text.slice(place)
      fc.pre(one !== other && Math.abs(Number(one) - Number(other)) !== 5)
      const swapped = text.slice(0, place) + other + one + text.slice(place + 2)
      assert(!isRoutingNumber(swapped, 'any'))
    }),
  )
})

test('a bank has a prefix that the ABA gave to banks', () => {
  fc.assert(
    fc.property(nonZero, (text) => {
      const prefix = Number(text.slice(0, 2))
      const given =
        (prefix >= 1 && prefix <= 12) ||
        (prefix >= 21 && prefix <= 32) ||
        (prefix >= 61 && prefix <= 72)
      assert.equal(isRoutingNumber(text, 'banks'), given)
    }),
  )
})

test('no text but nine ASCII digits is a routing number', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      fc.pre(!/^[0-9]{9}$/.test(text))
      assert(!isRoutingNumber(text, 'any'))
    }),
  )
})

const known: [text: string, asBank: boolean, asAny: boolean, why: string][] = [
  ['011000015', true, true, 'the Federal Reserve Bank of Boston'],
  ['021000021', true, true, 'a bank in New York'],
  ['121000248', true, true, 'a bank in San Francisco'],
  ['322271627', true, true, 'a savings bank: prefix 32'],
  ['222222226', true, true, 'Sandbox Bank A'],
  ['110000000', true, true, 'Sandbox Bank B'],
  ['123123123', true, true, 'the bank of the sandbox itself'],
  ['790000051', false, true, 'a prefix that no bank has'],
  ['000000518', false, true, 'prefix 00, the United States Treasury'],
  ['800000006', false, true, "prefix 80, traveller's cheques"],
  ['011000016', false, false, 'a wrong check digit'],
  ['000000000', false, false, 'zeros, which pass the sum'],
  ['02100002', false, false, 'eight digits'],
  ['0210000210', false, false, 'ten digits'],
  ['021000021\n', false, false, 'a line end'],
  [' 021000021', false, false, 'a blank before'],
  ['0２1000021', false, false, 'a full-width digit'],
  ['', false, false, 'nothing'],
]

for (const [text, asBank, asAny, why] of known) {
  test(`${JSON.stringify(text)} is ${why}`, () => {
    assert.equal(isRoutingNumber(text, 'banks'), asBank)
    assert.equal(isRoutingNumber(text, 'any'), asAny)
  })
}
