import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { UserId } from '../../src/ids/ids.ts'
import { chart } from '../../src/ledger/chart.ts'
import { money } from '../../src/money.ts'
import { digestKey } from '../../src/payments/rules/fingerprint.ts'
import { setFrozen } from '../../src/payments/freeze.ts'
import type { Party } from '../../src/payments/rules/views.ts'
import { refusedAs } from '../kit/refused.ts'
import { untilLocked } from '../kit/until.ts'
import { operator, startWorld } from '../kit/world.ts'
import type { World } from '../kit/world.ts'

let world: World
before(async () => {
  world = await startWorld()
})
after(async () => {
  await world.end()
})

async function move(caller: UserId, from: Party, to: Party, cents: bigint) {
  const rest = { amount: money(cents), note: null, transactionDate: null }
  return (await world.payments.moveMoney(caller, { from, to, ...rest }, null, { fresh: true }))
    .value
}

test('nobody pays one of our own accounts by taking its id for a user', async () => {
  const alice = await world.rich(100_000n)
  const bank: Party = { kind: 'bank', id: await world.bank(alice) }
  const own: Party = { kind: 'user', id: alice }
  for (const { id } of Object.values(chart)) {
    const to: Party = { kind: 'user', id: id as string as UserId }
    for (const cents of [1n, 60_000n]) {
      await refusedAs('user_unknown', move(alice, own, to, cents))
      await refusedAs('user_unknown', move(alice, bank, to, cents))
    }
  }
})

test('a key that another request is taking at the same moment is refused, for each flow', async () => {
  const [alice, bob] = [await world.rich(200_000n), await world.person()]
  const waiting = await world.pay(alice, bob, 60_000n)
  const ask = { id: waiting.transactionId, code: await world.codeFor(alice) }
  const pay = async () => await world.pay(alice, bob, 1n, 'pay')
  const confirm = async () => await world.payments.confirmTransaction(alice, ask, 'confirm')
  // A confirmation looks again before it refuses, and then knows what the other request was.
  const flows = [
    ['pay', pay, 'request_in_progress'],
    ['confirm', confirm, 'idempotency_key_reused'],
  ] as const
  for (const [key, flow, code] of flows) {
    const other = await world.pool.lend()
    await other.query('begin')
    await other.query(
      `insert into request (user_id, key_digest, request_digest, action, created_at)
       values ($1, $2, gen_random_uuid(), 'user.change', now())`,
      [alice, digestKey(key)],
    )
    const refused = refusedAs(code, flow())
    await untilLocked(world.pool, 1)
    await other.query('commit')
    other.giveBack()
    await refused
  }
  await refusedAs(
    'idempotency_key_reused',
    world.payments.confirmTransaction(alice, ask, 'confirm'),
  )
})

test('a frozen user cannot confirm a payment out of a bank account either', async () => {
  const [alice, bob] = [await world.person(), await world.person()]
  const bank: Party = { kind: 'bank', id: await world.bank(alice) }
  const waiting = await move(alice, bank, { kind: 'user', id: bob }, 60_000n)
  assert.equal(waiting.finality.state, 'held')
  const ask = { id: waiting.transactionId, code: await world.codeFor(alice) }
  await setFrozen(world.parts, alice, true, operator)
  await refusedAs('account_frozen', world.payments.confirmTransaction(alice, ask, null))
  await setFrozen(world.parts, alice, false, operator)
  const confirmed = await world.payments.confirmTransaction(alice, ask, null)
  assert.equal(confirmed.value.finality.state, 'in_transit')
})

test('freezing does not wait in a circle with what the user asks for', async () => {
  const alice = await world.person()
  const rounds = Array.from({ length: 60 }, (_, round) => round)
  await Promise.all([
    ...[0, 1].map(async (who) => {
      for (const round of rounds) {
        await world.payments.changeProfile(alice, { displayName: `Alice ${who} ${round}` }, null, {
          fresh: true,
        })
      }
    }),
    (async () => {
      for (const round of rounds) await setFrozen(world.parts, alice, round % 2 === 0, operator)
    })(),
  ])
})
