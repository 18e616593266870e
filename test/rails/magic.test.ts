import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { newId } from '../../src/ids/ids.ts'
import { microAmounts, returnCodeFor } from '../../src/rails/bank/magic.ts'
import { mayReturn } from '../../src/rails/return-codes.ts'

const direction = fc.constantFrom('debit' as const, 'credit' as const)
const bankA = { routingNumber: '222222226' }
const numberFor = (nn: number) => `90000000${String(nn).padStart(2, '0')}`

test('account 90000000NN returns RNN, where that code can return the instruction', () => {
  fc.assert(
    fc.property(direction, fc.integer({ min: 0, max: 99 }), (direction, nn) => {
      const code = `R${String(nn).padStart(2, '0')}`
      const expected = mayReturn(code, direction) ? code : null
      const to = { ...bankA, accountNumber: numberFor(nn) }
      assert.equal(returnCodeFor(direction, to), expected)
    }),
  )
})

test('every other account number succeeds in both directions', () => {
  fc.assert(
    fc.property(direction, fc.stringMatching(/^\d{4,17}$/), (direction, accountNumber) => {
      fc.pre(!/^90000000\d\d$/.test(accountNumber))
      assert.equal(returnCodeFor(direction, { ...bankA, accountNumber }), null)
    }),
  )
})

const cases: ['debit' | 'credit', string, string | null][] = [
  ['debit', '9000000001', 'R01'],
  ['credit', '9000000001', null], // no bank has too little money to be given some
  ['debit', '9000000003', 'R03'],
  ['credit', '9000000003', 'R03'],
  ['debit', '9000000023', null], // nobody refuses a credit that is a debit
  ['credit', '9000000023', 'R23'],
  ['debit', '9000000000', null],
  ['debit', '9000000048', null], // not a code
  ['debit', '9000000068', null], // a dispute between banks
  ['debit', '09000000001', null],
  ['debit', '90000000010', null],
  ['debit', '9500000001', null],
  ['debit', '9300000001', null],
]

for (const [direction, accountNumber, code] of cases) {
  test(`a ${direction} of account ${accountNumber} ${code ? `returns ${code}` : 'settles'}`, () => {
    assert.equal(returnCodeFor(direction, { ...bankA, accountNumber }), code)
  })
}

test('the bank that takes nothing returns everything with R13', () => {
  const nothing = { routingNumber: '790000051', accountNumber: '9500000001' }
  assert.equal(returnCodeFor('debit', nothing), 'R13')
  assert.equal(returnCodeFor('credit', nothing), 'R13')
})

test('micro-entries are 1 to 99 cents, and the same for the same bank account', () => {
  const key = randomBytes(32)
  fc.assert(
    fc.property(fc.stringMatching(/^\d{4,17}$/), (accountNumber) => {
      const id = newId('bank')
      const amounts = microAmounts(key, id, accountNumber)
      for (const cents of amounts) assert(Number.isInteger(cents) && cents >= 1 && cents <= 99)
      assert.deepEqual(microAmounts(key, id, accountNumber), amounts)
      if (accountNumber.startsWith('95')) assert.deepEqual(amounts, [11, 22])
    }),
  )
})

test('micro-entries take every amount, and another key makes others', () => {
  const [one, other] = [randomBytes(32), randomBytes(32)]
  const ids = Array.from({ length: 2_000 }, () => newId('bank'))
  const seen = new Set(ids.flatMap((id) => microAmounts(one, id, '1234')))
  assert.equal(seen.size, 99)
  const differ = ids.filter(
    (id) => microAmounts(one, id, '1234').join() !== microAmounts(other, id, '1234').join(),
  )
  assert(differ.length > 1_900)
})

test('a code that nobody knows returns nothing of ours', () => {
  for (const code of ['R96', 'R00', 'R1', '', 'constructor', '__proto__']) {
    assert(!mayReturn(code, 'debit') && !mayReturn(code, 'credit'))
  }
})
