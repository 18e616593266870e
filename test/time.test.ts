import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { test } from 'node:test'
import * as fc from 'fast-check'
import {
  after,
  answerIn,
  DAY,
  parseTime,
  printTime,
  systemClock,
  toDate,
  TooLate,
} from '../src/time.ts'
import type { Micros } from '../src/time.ts'

const first = parseTime('0001-01-01T00:00:00Z') as Micros
const last = parseTime('9999-12-31T23:59:59.999999Z') as Micros
const moment = fc.bigInt(first, last) as fc.Arbitrary<Micros>

test('a time is printed and read back to the microsecond, before 1970 too', () => {
  fc.assert(
    fc.property(moment, (at) => {
      assert.match(printTime(at), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/)
      assert.equal(parseTime(printTime(at)), at)
    }),
  )
})

test('printed times sort as times do', () => {
  fc.assert(
    fc.property(moment, moment, (one, other) => {
      assert.equal(printTime(one) < printTime(other), one < other)
    }),
  )
})

const twoDigits = (number: number): string => String(number).padStart(2, '0')

test('a zone says how far a clock on a wall is from UTC', () => {
  const offset = fc.integer({ min: -1_439, max: 1_439 })
  const inner = fc.bigInt(first + DAY, last - DAY) as fc.Arbitrary<Micros>
  fc.assert(
    fc.property(inner, offset, (at, minutes) => {
      const wall = printTime(after(at, BigInt(minutes) * 60_000_000n)).slice(0, -1)
      const [hours, rest] = [Math.trunc(Math.abs(minutes) / 60), Math.abs(minutes) % 60]
      const zone = `${minutes < 0 ? '-' : '+'}${twoDigits(hours)}:${twoDigits(rest)}`
      assert.equal(parseTime(wall + zone), at)
    }),
  )
})

test('any text is a time that can be printed and stored, or none', () => {
  const near = fc.stringMatching(
    /^\d{4}-[01]\d-[0-3]\dT[0-2]\d:[0-6]\d:[0-6]\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$/,
  )
  fc.assert(
    fc.property(fc.oneof(fc.string(), near), (text) => {
      const at = parseTime(text)
      if (at === null) return
      assert(at >= first && at <= last)
      assert.equal(parseTime(printTime(at)), at)
    }),
    { numRuns: 2_000 },
  )
})

const same: readonly (readonly [string, string])[] = [
  ['2026-03-02t15:00:00z', '2026-03-02T15:00:00.000000Z'],
  ['2026-03-02T15:00:00.123456789Z', '2026-03-02T15:00:00.123456Z'],
  ['2026-03-02T15:00:00.5+05:30', '2026-03-02T09:30:00.500000Z'],
  ['2024-02-29T00:00:00Z', '2024-02-29T00:00:00.000000Z'],
  ['1969-12-31T23:59:59.5Z', '1969-12-31T23:59:59.500000Z'],
]
for (const [text, printed] of same) {
  test(`${text} is ${printed}`, () => {
    const at = parseTime(text)
    assert(at !== null)
    assert.equal(printTime(at), printed)
  })
}

const none: readonly string[] = [
  '',
  'now',
  'infinity',
  '2026-03-02',
  '2026-03-02T15:00:00',
  '2026-03-02 15:00:00Z',
  '2026-02-29T00:00:00Z',
  '2026-02-30T00:00:00Z',
  '2026-13-01T00:00:00Z',
  '2026-01-01T24:00:00Z',
  '2026-01-01T23:60:00Z',
  '2026-01-01T23:59:60Z',
  '2026-01-01T00:00:00.Z',
  '2026-01-01T00:00:00.1234567890Z',
  '2026-01-01T00:00:00+24:00',
  '0000-01-01T00:00:00Z',
  '0001-01-01T00:00:00+00:01',
  '9999-12-31T23:59:59-00:01',
  '+010000-01-01T00:00:00Z',
  '2026-01-01T00:00:00Z\n',
]
for (const text of none) {
  test(`${JSON.stringify(text)} is no time`, () => assert.equal(parseTime(text), null))
}

test('a Date is whole milliseconds, rounded down on both sides of 1970', () => {
  assert.equal(toDate(1_999n as Micros).getTime(), 1)
  assert.equal(toDate(-1n as Micros).getTime(), -1)
  assert.equal(toDate(-1_500n as Micros).getTime(), -2)
})

test('the clock of the machine tells microseconds', () => {
  const [before, now, later] = [Date.now(), systemClock.now(), Date.now()]
  assert(now >= BigInt(before) * 1_000n && now <= BigInt(later) * 1_000n)
})

const WAITS_MS = 20

test('a process that was itself late hears the answers that are there', async () => {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const near = connect((server.address() as AddressInfo).port, '127.0.0.1')
  const [far] = (await once(server, 'connection')) as [Socket]
  const heard = answerIn(WAITS_MS, once(near, 'data'))
  far.write('here')
  // Nobody runs meanwhile, as on a machine that has no processor to spare.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 3 * WAITS_MS)
  assert.equal(String((await heard)[0]), 'here')
  near.destroy()
  server.close()
})

test('what does not come in time is given up', async () => {
  await assert.rejects(answerIn(WAITS_MS, new Promise(() => undefined)), TooLate)
})
