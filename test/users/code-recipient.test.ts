import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { newId } from '../../src/ids/ids.ts'
import { after, DAY, HOUR } from '../../src/time.ts'
import type { Micros } from '../../src/time.ts'
import { applyPatch } from '../../src/users/change-profile.ts'
import { codeRecipient } from '../../src/users/code-recipient.ts'
import type { User } from '../../src/users/user.ts'

const now = 1_790_000_000_000_000n as Micros
const ago = (span: bigint): Micros => after(now, -span)
const [old, current] = ['old@example.com', 'new@example.com']

const cases: [what: string, proven: Micros | null, before: string | null, to: string][] = [
  ['a first address that nobody proved', null, null, current],
  ['a first address, proven just now', now, null, current],
  ['a first address, proven long ago', ago(300n * DAY), null, current],
  ['a new address that nobody proved', null, old, old],
  ['a new address, proven just now', now, old, old],
  ['a new address, proven for almost a day', ago(DAY - 1n), old, old],
  ['a new address, proven for a day', ago(DAY), old, current],
]

for (const [what, emailVerifiedAt, emailBefore, recipient] of cases) {
  test(`${what}: codes for payments go to ${recipient}`, () => {
    const user = { email: current, emailVerifiedAt, emailBefore }
    assert.deepEqual(codeRecipient(user, now), { channel: 'email', recipient })
  })
}

const ann: User = {
  userId: newId('user'),
  handle: 'ann',
  displayName: 'Ann',
  email: 'ann@example.com',
  phoneNumber: '+12025550100',
  debitCardId: null,
  status: 'active',
  emailVerifiedAt: now,
  emailBefore: null,
  phoneVerifiedAt: null,
  createdAt: now,
}

const step = fc.record({
  email: fc.constantFrom('ann@example.com', 'thief@example.com', 'thief@example.org'),
  isProven: fc.boolean(),
  hours: fc.bigInt({ min: 0n, max: 23n }),
})

test('whatever is changed and proven within a day, the proven owner reads the codes', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 8 }), (steps) => {
      const start = after(now, 10n * DAY)
      let user = ann
      for (const { email, isProven, hours } of steps.toSorted((a, b) =>
        Number(a.hours - b.hours),
      )) {
        const at = after(start, hours * HOUR)
        user = applyPatch(user, { email }, at)
        if (isProven) user = { ...user, emailVerifiedAt: user.emailVerifiedAt ?? at }
        assert.equal(codeRecipient(user, at)?.recipient, ann.email)
      }
    }),
  )
})
