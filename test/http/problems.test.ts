import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { AppError, errorCodes } from '../../src/errors.ts'
import { bug, problems } from '../../src/problems.ts'
import { retryAfterOf, toProblem } from '../../src/http/refusals/to-problem.ts'

const document = new URL('../../docs/errors.md', import.meta.url)

test('docs/errors.md lists exactly the codes, each with its status', async () => {
  const text = await readFile(document, 'utf8')
  const rows = [...text.matchAll(/^\| `(\w+)` +\| (\d{3}) +\| \S.*\|$/gm)]
  const documented = Object.fromEntries(rows.map(([, code = '', status]) => [code, Number(status)]))
  const statuses = Object.entries({ ...problems, internal: bug }).map(([code, { status }]) => {
    return [code, status] as const
  })
  assert.deepEqual(documented, Object.fromEntries(statuses))
  assert.equal(rows.length, errorCodes.length + 1, 'a code is listed twice')
})

test('every code speaks to people in whole sentences', () => {
  for (const [code, { title, sentence }] of Object.entries({ ...problems, internal: bug })) {
    assert.match(sentence, /^[A-Z].*\.$/, code)
    assert.doesNotMatch(sentence, /_|JSON|HTTP|token|cursor|header/, code)
    assert.doesNotMatch(title, /\.$/, code)
  }
})

test('a refusal carries its code, its sentence and the facts that it may', () => {
  const error = new AppError('code_wrong', { attemptsLeft: 3, held: 12n })
  assert.deepEqual(toProblem(error, 'r-1'), {
    attemptsLeft: 3,
    held: 12,
    type: '/docs/errors#code_wrong',
    title: 'Code wrong',
    status: 422,
    detail: 'Code wrong',
    code: 'code_wrong',
    errorMessage: problems.code_wrong.sentence,
    requestId: 'r-1',
  })
})

test('a fact cannot stand in for what a problem says of itself', () => {
  const problem = toProblem(new AppError('not_yours', { status: 200, code: 'x', type: 'y' }), 'r-1')
  assert.equal(problem.status, 403)
  assert.equal(problem.code, 'not_yours')
  assert.equal(problem.type, '/docs/errors#not_yours')
})

test('a refused member is pointed at', () => {
  const error = new AppError('contact_invalid', { field: '/email', why: 'no @' })
  const { detail, errors } = toProblem(error, 'r-1')
  assert.equal(detail, 'no @')
  assert.deepEqual(errors, [{ pointer: '/email', detail: 'no @' }])
})

test('a bug tells nothing but the id of its request', () => {
  const error = Object.assign(new Error('secret'), { code: '23505', detail: 'Key (email)=(a@b.c)' })
  const problem = toProblem(error, 'r-1')
  assert.equal(problem.status, 500)
  assert.doesNotMatch(JSON.stringify(problem), /secret|23505|a@b/)
})

test('whoever may ask again is told when', () => {
  assert.equal(retryAfterOf(new AppError('rate_limited', { retryAfterSeconds: 3.2 }), 429), 4)
  assert.equal(retryAfterOf(new AppError('overloaded'), 429), 1)
  assert.equal(retryAfterOf(new AppError('database_unavailable'), 503), 2)
  assert.equal(retryAfterOf(new AppError('amount_invalid'), 422), undefined)
})
