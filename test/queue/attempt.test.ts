import assert from 'node:assert/strict'
import { test } from 'node:test'
import { tellable } from '../../src/queue/attempt.ts'

const payload = {
  userId: '0198f3c2-e1b7-7c3a-9d5e-0f1a2b3c4d5e',
  recipient: 'ann@example.com',
  subject: 'Your code',
  body: 'your code is 012345.',
  seed: 'c2VlZA==',
}

test('what went wrong is told without what the payload keeps secret', () => {
  const cause = new Error(`550 ${payload.recipient} ${payload.body} of ${payload.seed}`)
  const told = tellable(cause, payload)
  assert(told instanceof Error)
  assert.equal(told.message, '550 … … of …')
  assert.equal(told.cause, undefined, 'a log shows causes, too')
})

test('an error that tells no secret stays what it is, with all that leads to its line', () => {
  const error = new Error(`no user ${payload.userId}`)
  assert.equal(tellable(error, payload), error)
  assert.equal(tellable(error, null), error)
})
