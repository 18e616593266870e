import assert from 'node:assert/strict'
import * as fc from 'fast-check'
import type { Account, Accounts, Line } from '../../../src/ledger/account.ts'
import { hold, world } from './arbitrary.ts'
import type { World } from './arbitrary.ts'
import type { Property, Rules } from './rules.ts'

const first = (note: string | null) => ({ opens: true, note })

const shown = (lines: readonly Line[]) =>
  lines.map((line) => [line.account, line.other, line.opens, line.note])

type Held = Readonly<{
  taken: Parameters<Rules['place']>[0]
  before: Accounts
  /** The accounts after these steps, or null when one of them was refused. */
  steps: (all: readonly (readonly Line[])[]) => Accounts | null
}>

function ofHolds(title: string, holds: (rules: Rules, held: Held) => void): Property {
  const check: Property['check'] = (rules, how) => {
    const property = fc.property(world, hold, ({ before, now }, taken) => {
      const steps: Held['steps'] = (all) => {
        const movements = all.map((lines) => {
          return { transaction: 't' as never, kind: 'payment', lines, ifDeclined: [] } as const
        })
        const { after, verdicts } = rules.post(before, movements, now, () => null)
        return verdicts.every(({ outcome }) => outcome === 'posted') ? after : null
      }
      holds(rules, { taken, before, steps })
    })
    fc.assert(property, how as fc.Parameters<[World, Held['taken']]>)
  }
  return { title, check }
}

function canHold(payer: Account, amount: bigint): boolean {
  if (amount === 0n) return true
  const covered = payer.floor === 'none' || payer.balance - payer.held >= amount
  return payer.state === 'open' && covered
}

/** All of an account but its place in the chain. */
function worthOf(accounts: Accounts | null) {
  if (!accounts) return null
  return new Map([...accounts].map(([id, one]) => [id, { ...one, version: 0n, at: 0n }]))
}

export const holdProperties: readonly Property[] = [
  ofHolds('a hold that is captured is a payment', ({ capture, place }, { taken, steps }) => {
    const { payer, payee, note } = taken
    const amount: bigint = taken.amount
    const payment = [
      { account: payer, other: payee, change: { amount: -amount, sent: amount }, ...first(null) },
      { account: payee, other: payer, change: { amount }, ...first(note) },
    ]
    assert.deepEqual(worthOf(steps([place(taken), capture(taken)])), worthOf(steps([payment])))
  }),

  ofHolds('a hold that is released is nothing', ({ place, release }, { taken, before, steps }) => {
    const ended = steps([place(taken), release(taken)])
    if (ended) assert.deepEqual(worthOf(ended), worthOf(before))
    else assert.equal(steps([place(taken)]), null, 'what was held could not be released')
  }),

  ofHolds('what is held stays on the balance and is no longer free', ({ place }, given) => {
    const { taken, before, steps } = given
    const payer = before.get(taken.payer)
    const after = steps([place(taken)])?.get(taken.payer)
    if (!payer || !canHold(payer, taken.amount)) {
      assert.equal(after, undefined)
      return
    }
    const [held, sending] = [payer.held + taken.amount, payer.sending + taken.amount]
    assert(after)
    const { version, at } = after
    assert.deepEqual(after, { ...payer, held, sending, version, at })
  }),

  ofHolds('a history shows a hold once on each side, where it begins', (rules, { taken }) => {
    const { payer, payee, note } = taken
    assert.deepEqual(shown(rules.place(taken)), [[payer, payee, true, null]])
    assert.deepEqual(shown(rules.release(taken)), [[payer, payee, false, null]])
    const captured = [
      [payer, payee, false, null],
      [payee, payer, true, note],
    ]
    assert.deepEqual(shown(rules.capture(taken)), captured)
  }),
]
