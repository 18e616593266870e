import assert from 'node:assert/strict'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { pino } from 'pino'
import { standingOrLess } from '../../../src/auth/sessions/standing.ts'
import { AppError } from '../../../src/errors.ts'
import { newId } from '../../../src/ids/ids.ts'
import { createTelemetry } from '../../../src/ops/telemetry.ts'
import { after, MINUTE, SECOND } from '../../../src/time.ts'
import type { Micros } from '../../../src/time.ts'

const user = newId('user')
const start = 1_790_000_000_000_000n as Micros

/** What is published while the test runs. */
function heardIn(t: TestContext) {
  const heard: unknown[] = []
  const hear = (event: unknown): void => void heard.push(event)
  subscribe('farthing:auth.trouble', hear)
  t.after(() => unsubscribe('farthing:auth.trouble', hear))
  return heard
}

const poolCounts = () => ({ total: 0, idle: 0, waiting: 0 })

/** A directory that answers with this error, and a clock to move. */
function failing(thrown: Error) {
  let now = start
  const directory = { standing: async () => await Promise.reject(thrown) }
  const standing = standingOrLess(directory, { now: () => now })
  return { standing, pass: (span: bigint) => (now = after(now, span)) }
}

for (const code of ['directory_unavailable', 'overloaded'] as const) {
  test(`${code} leaves a session open, without roles`, async (t) => {
    const heard = heardIn(t)
    const error = new AppError(code)
    const { standing } = failing(error)
    assert.deepEqual(await standing(user), { open: true, roles: [] })
    assert.deepEqual(heard, [{ message: 'sessions go on without their roles', error }])
  })
}

test('an outage is told once a minute, however many meet it', async (t) => {
  const heard = heardIn(t)
  const { standing, pass } = failing(new AppError('directory_unavailable'))
  for (const [span, told] of [
    [0n, 1],
    [0n, 1],
    [MINUTE - SECOND, 1],
    [SECOND, 2],
    [30n * SECOND, 2],
  ] as const) {
    pass(span)
    await standing(user)
    assert.equal(heard.length, told)
  }
})

test('whatever else goes wrong is thrown on', async (t) => {
  const heard = heardIn(t)
  for (const error of [new AppError('database_unavailable'), new TypeError('a bug')]) {
    await assert.rejects(failing(error).standing(user), error)
  }
  assert.deepEqual(heard, [])
})

test('the log has the cause', async (t) => {
  const lines: string[] = []
  const log = pino({ level: 'warn' }, { write: (line: string) => void lines.push(line) })
  t.after(createTelemetry({ log, poolCounts }).stop)
  const cause = new Error('AD_OPERATOR_GROUP_DN names no group')
  await failing(new AppError('directory_unavailable', {}, { cause })).standing(user)
  assert.equal(lines.length, 1)
  assert.match(lines[0] ?? '', /sessions go on without their roles/)
  assert.match(lines[0] ?? '', /AD_OPERATOR_GROUP_DN names no group/)
})
