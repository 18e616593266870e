import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AppError } from '../../src/errors.ts'
import type { ErrorCode } from '../../src/errors.ts'
import { toBankAccount, toCents, toPageAsk, toParty, toRange } from '../../src/http/wire.ts'
import { toTransaction, transactionIdOf } from '../../src/http/wire.ts'
import { newId, printId } from '../../src/ids/ids.ts'
import { money } from '../../src/money.ts'
import { parseTime } from '../../src/time.ts'
import type { Micros } from '../../src/time.ts'

function refused(code: ErrorCode, work: () => unknown): void {
  assert.throws(work, (error) => error instanceof AppError && error.code === code)
}

const at = parseTime('2026-03-02T17:04:05.000001Z') as Micros

test('a transaction goes out with kinds in its ids, cents as numbers and exact times', () => {
  const [transactionId, user, bank] = [newId('txn'), newId('user'), newId('bank')]
  const shown = toTransaction({
    transactionId,
    from: { kind: 'bank', id: bank },
    to: { kind: 'user', id: user },
    amount: money(9_999_999_999n),
    kind: 'add_money',
    status: 'waiting_for_verification',
    declineReason: null,
    note: null,
    settledAt: null,
    transactionDate: at,
    finality: { state: 'in_transit', until: at, why: 'bank' },
  })
  assert.deepEqual(shown, {
    transactionId: printId('txn', transactionId),
    fromId: printId('bank', bank),
    toId: printId('user', user),
    transactionDate: '2026-03-02T17:04:05.000001Z',
    settledDate: null,
    amount: 9_999_999_999,
    kind: 'add_money',
    status: 'waiting_for_verification',
    declineReason: null,
    note: null,
    finality: { state: 'in_transit', until: '2026-03-02T17:04:05.000001Z', why: 'bank' },
  })
})

test('of a bank account number only the end goes out', () => {
  const shown = toBankAccount({
    userId: newId('user'),
    bankAccountId: newId('bank'),
    bankName: 'First Sandbox Bank',
    bankPhoneNumber: null,
    bankEmail: null,
    routingNumber: '222222226',
    accountType: 'checking',
    lastFour: '6789',
    status: 'verified',
    createdAt: at,
    disabledAt: null,
  })
  assert.equal(shown.bankAccountNumber, '••••6789')
  assert.equal('disabledAt' in shown, false)
})

test('cents beyond 2^53 - 1 are a bug, not a rounded number', () => {
  assert.equal(toCents(9_007_199_254_740_991n), 9_007_199_254_740_991)
  assert.equal(toCents(-5n), -5)
  assert.throws(() => toCents(9_007_199_254_740_993n), RangeError)
})

test('a text that is no id names nobody', () => {
  const user = newId('user')
  assert.deepEqual(toParty(printId('user', user), '/toId'), { kind: 'user', id: user })
  refused('user_unknown', () => toParty('', '/toId'))
  refused('user_unknown', () => toParty(printId('txn', newId('txn')), '/toId'))
  refused('user_unknown', () => toParty(printId('user', user).toUpperCase(), '/toId'))
  refused('bank_account_unknown', () => toParty('bank_1', '/fromId'))
  refused('transaction_unknown', () => transactionIdOf('txn_1'))
})

test('a range may be open, may be empty, and may not run backwards', () => {
  assert.deepEqual(toRange({}), { start: null, end: null })
  const time = '2026-03-02T17:04:05Z'
  const range = toRange({ startTime: time, endTime: time })
  assert.equal(range.start, range.end)
  const backwards = { startTime: '2026-03-02T17:04:05.000001Z', endTime: time }
  refused('request_invalid', () => toRange(backwards))
  assert.deepEqual(toPageAsk({}), { start: null, end: null, limit: 25, cursor: null })
})
