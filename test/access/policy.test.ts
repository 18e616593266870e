import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { actions, may, roles } from '../../src/access/policy.ts'

test('who stands closer may do at least as much', () => {
  fc.assert(
    fc.property(fc.constantFrom(...actions), (action) => {
      const granted = roles.map((role) => may(role, action))
      assert(!granted.some((may, place) => may && granted.slice(place).includes(false)))
    }),
  )
})

test('everyone may do what is their own', () => {
  for (const action of actions) assert(may('self', action), action)
})

test('without a token only these are open', () => {
  assert.deepEqual(
    actions.filter((action) => may('anyone', action)),
    [
      'user.create',
      'session.create',
      'session.refresh',
      'keys.read',
      'docs.read',
      'health.read',
      'mailbox.read',
    ],
  )
})

function beyond(role: 'stranger' | 'party') {
  return actions.filter((action) => may(role, action) && !may('anyone', action))
}

test('of somebody else, one sees handle and name, and shared transactions as their party', () => {
  assert.deepEqual(beyond('stranger'), ['user.glance'])
  assert.deepEqual(beyond('party'), ['user.glance', 'transaction.read'])
})
