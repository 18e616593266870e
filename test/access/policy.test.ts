import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import type { Actor } from '../../src/access/actor.ts'
import {
  actions,
  FRESH_FOR,
  isFresh,
  may,
  mustBeFresh,
  roleAmongOthers,
  roles,
  scopeFor,
} from '../../src/access/policy.ts'
import type { Role } from '../../src/access/policy.ts'
import { newId } from '../../src/ids/ids.ts'
import { customerScopes, staffScopes } from '../../src/scopes.ts'
import type { Scope } from '../../src/scopes.ts'
import { after, MINUTE, SECOND } from '../../src/time.ts'
import type { Micros } from '../../src/time.ts'

/** From the farthest to the closest: who one is to what is asked for, and who one is to others. */
const orders: readonly (readonly Role[])[] = [
  ['anyone', 'stranger', 'party', 'self'],
  ['anyone', 'stranger', 'support', 'operator'],
]

test('who stands closer may do at least as much', () => {
  const order = fc.constantFrom(...orders)
  fc.assert(
    fc.property(fc.constantFrom(...actions), order, (action, order) => {
      const granted = order.map((role) => may(role, action))
      assert(!granted.some((may, place) => may && granted.slice(place).includes(false)))
    }),
  )
  assert.deepEqual([...new Set(orders.flat())].toSorted(), [...roles].toSorted())
})

test('everyone may do what is their own, but for what only staff do', () => {
  const forStaff = actions.filter((action) => !may('self', action))
  assert.deepEqual(forStaff, ['user.freeze', 'user.thaw'])
})

const open = [
  'user.create',
  'session.create',
  'session.refresh',
  'keys.read',
  'docs.read',
  'health.read',
  'mailbox.read',
]

test('without a token only these are open, and they ask for nothing', () => {
  const found = actions.filter((action) => may('anyone', action))
  assert.deepEqual(found, open)
  for (const action of found) {
    assert.deepEqual([scopeFor('anyone', action), mustBeFresh(action)], [null, false])
  }
})

function beyond(role: Role) {
  return actions.filter((action) => may(role, action) && !may('anyone', action))
}

test('of somebody else, one sees handle and name, and shared transactions as their party', () => {
  assert.deepEqual(beyond('stranger'), ['user.glance'])
  assert.deepEqual(beyond('party'), ['user.glance', 'transaction.read'])
})

test('support looks at users, and an operator also freezes and thaws them', () => {
  assert.deepEqual(beyond('support'), ['user.read', 'user.glance'])
  assert.deepEqual(beyond('operator'), ['user.read', 'user.glance', 'user.freeze', 'user.thaw'])
})

test('whatever is closed has a scope, but for the session and the look at a request', () => {
  const closed = actions.filter((action) => !may('anyone', action))
  const without = closed.filter((action) => scopeFor('self', action) === null)
  assert.deepEqual(without, ['session.step-up', 'session.end', 'request.read'])
})

test('no scope of a customer opens anything to staff, and none of staff anything of one’s own', () => {
  fc.assert(
    fc.property(fc.constantFrom(...actions), (action) => {
      const own = scopeFor('self', action)
      const asStaff = scopeFor('operator', action)
      if (may('self', action)) assert(own === null || isOf(customerScopes, own))
      if (asStaff === null) assert.equal(own, null)
      else assert(isOf(staffScopes, asStaff))
      assert.equal(scopeFor('support', action), asStaff)
      // What only looks needs a scope that only looks, and the other way round.
      assert.equal(own?.endsWith(':read'), asStaff?.endsWith(':read'))
    }),
  )
})

function isOf(scopes: readonly Scope[], scope: Scope): boolean {
  return scopes.includes(scope)
}

test('a fresh factor is asked for where one could lose all at once', () => {
  assert.deepEqual(actions.filter(mustBeFresh), [
    'contact.change',
    'account.link',
    'transaction.send-much',
  ])
})

const now = 1_790_000_000_000_000n as Micros
const person = {
  kind: 'user',
  userId: newId('user'),
  sessionId: null,
  clientId: 'web',
  scopes: new Set<Scope>(),
  roles: [],
  authenticatedAt: now,
  methods: [],
  issuedAt: now,
  expiresAt: after(now, MINUTE),
} as const satisfies Actor
const machine = { ...person, kind: 'service' } as const

test('a factor is fresh for ten minutes, and never when nobody knows when it was shown', () => {
  assert(isFresh(person, now))
  assert(isFresh(person, after(now, FRESH_FOR)))
  assert(!isFresh(person, after(now, FRESH_FOR + 1n)))
  assert(isFresh(person, after(now, -5n * SECOND)))
  assert(!isFresh(person, after(now, -6n * SECOND)), 'a time to come is no time')
  assert(!isFresh({ ...person, authenticatedAt: null }, now))
  assert(!isFresh(machine, now))
})

test('to others one is staff by the role, and a service by a scope of staff', () => {
  assert.equal(roleAmongOthers({ ...person, scopes: new Set(staffScopes) }), 'stranger')
  assert.equal(roleAmongOthers({ ...person, roles: ['support'] }), 'support')
  assert.equal(roleAmongOthers({ ...person, roles: ['support', 'operator'] }), 'operator')
  assert.equal(roleAmongOthers({ ...machine, scopes: new Set(customerScopes) }), 'stranger')
  for (const scope of staffScopes) {
    assert.equal(roleAmongOthers({ ...machine, scopes: new Set([scope]) }), 'operator')
  }
})
