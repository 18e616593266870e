import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { AppError } from '../../src/errors.ts'
import type { ErrorCode } from '../../src/errors.ts'
import type { BankAccountId, TransactionId, UserId } from '../../src/ids/ids.ts'
import { money } from '../../src/money.ts'
import { settleInstruction, submitInstruction } from '../../src/payments/bank-transfer.ts'
import { expireVerification } from '../../src/payments/confirm.ts'
import { setFrozen } from '../../src/payments/freeze.ts'
import type { Party } from '../../src/payments/rules/views.ts'
import { RailMisuse } from '../../src/rails/rail.ts'
import { DAY, HOUR } from '../../src/time.ts'
import { operator, startWorld } from '../kit/world.ts'
import type { World } from '../kit/world.ts'

let world: World
before(async () => {
  world = await startWorld()
})
after(async () => {
  await world.end()
})

const whole = { start: null, end: null } as const
const ofUser = (id: UserId): Party => ({ kind: 'user', id })
const ofBank = (id: BankAccountId): Party => ({ kind: 'bank', id })

async function walletOf(user: UserId) {
  return (await world.payments.ownUser(user, whole)).wallet
}

async function move(caller: UserId, from: Party, to: Party, cents: bigint, key?: string) {
  const rest = { amount: money(cents), note: 'hello', transactionDate: null }
  return await world.payments.moveMoney(caller, { from, to, ...rest }, key ?? null, { fresh: true })
}

const code = (expected: ErrorCode) => (error: unknown) => {
  assert(error instanceof AppError, String(error))
  assert.equal(error.code, expected)
  return true
}

test('a payment moves its amount, and both sides read it in their history', async () => {
  const [alice, bob] = [await world.rich(1_000n), await world.person()]
  const paid = await world.pay(alice, bob, 250n)
  assert.equal(paid.status, 'accepted')
  assert.equal(paid.finality.state, 'final')
  assert.deepEqual(await walletOf(alice), { balance: 750n, held: 0n, available: 750n })
  assert.equal((await walletOf(bob)).balance, 250n)
  for (const user of [alice, bob]) {
    const ask = { ...whole, limit: 25, cursor: null, status: null, kind: null }
    const { data } = await world.payments.listTransactions(user, ask)
    assert.deepEqual(data[0], await world.payments.findTransaction(user, paid.transactionId))
    assert.equal(data[0]?.transactionId, paid.transactionId)
  }
})

test('a payment of more than is there is declined, stored, and moves nothing', async () => {
  const [alice, bob] = [await world.rich(100n), await world.person()]
  const declined = await world.pay(alice, bob, 101n)
  assert.equal(declined.status, 'declined')
  assert.equal(declined.declineReason, 'insufficient_funds')
  assert.equal((await walletOf(alice)).balance, 100n)
  assert.deepEqual(
    (await world.payments.findTransaction(alice, declined.transactionId)).declineReason,
    'insufficient_funds',
  )
  await assert.rejects(
    world.payments.findTransaction(bob, declined.transactionId),
    code('transaction_unknown'),
  )
})

test('refusals leave nothing behind', async () => {
  const [alice, bob] = [await world.rich(100n), await world.person()]
  const bank = await world.bank(bob)
  const nobody = '00000000-0000-7000-8000-00000000abcd' as UserId
  for (const cents of [1n, 60_000n]) {
    await assert.rejects(world.pay(alice, nobody, cents), code('user_unknown'))
    await assert.rejects(move(bob, ofBank(bank), ofUser(nobody), cents), code('user_unknown'))
  }
  await assert.rejects(world.pay(alice, alice, 1n), code('parties_equal'))
  await assert.rejects(move(alice, ofUser(bob), ofUser(alice), 1n), code('not_yours'))
  await assert.rejects(move(alice, ofBank(bank), ofUser(alice), 1n), code('not_yours'))
  await assert.rejects(move(alice, ofUser(alice), ofBank(bank), 1n), code('bank_account_unknown'))
  const { rows } = await world.pool.query('select 1 from transaction where payer_id = any($1)', [
    [alice, bob],
  ])
  assert.equal(rows.length, 1, 'only the money that came in')
})

test('50 concurrent duplicates of one key have one effect and one answer', async () => {
  const [alice, bob] = [await world.rich(1_000n), await world.person()]
  const answers = await Promise.all(
    Array.from({ length: 50 }, async () => {
      return await move(alice, ofUser(alice), ofUser(bob), 10n, 'the same key')
    }),
  )
  assert.equal(new Set(answers.map(({ value }) => value.transactionId)).size, 1)
  assert.equal(answers.filter(({ replayed }) => !replayed).length, 1)
  assert.equal((await walletOf(bob)).balance, 10n)
  await assert.rejects(
    move(alice, ofUser(alice), ofUser(bob), 11n, 'the same key'),
    code('idempotency_key_reused'),
  )
})

test('a retry is answered although the world has changed since', async () => {
  const alice = await world.person()
  const bank = await world.bank(alice)
  const first = await move(alice, ofBank(bank), ofUser(alice), 500n, 'add once')
  await world.payments.unlinkBankAccount(alice, bank, null)
  const again = await move(alice, ofBank(bank), ofUser(alice), 500n, 'add once')
  assert.equal(again.replayed, true)
  assert.equal(again.value.transactionId, first.value.transactionId)
  await world.until(async () => (await walletOf(alice)).balance === 500n)
})

test('a large payment to someone new waits for its code, and then never again', async () => {
  const [alice, bob] = [await world.rich(200_000n), await world.person()]
  const waiting = await world.pay(alice, bob, 50_000n)
  assert.equal(waiting.status, 'waiting_for_verification')
  assert.equal(waiting.finality.state, 'held')
  assert.deepEqual(await walletOf(alice), { balance: 200_000n, held: 50_000n, available: 150_000n })
  const sent = await world.codeFor(alice)
  const ask = { id: waiting.transactionId, code: sent }
  const wrong = { ...ask, code: sent === '000000' ? '111111' : '000000' }
  await assert.rejects(world.payments.confirmTransaction(alice, wrong, null), code('code_wrong'))
  await assert.rejects(
    world.payments.confirmTransaction(bob, ask, null),
    code('transaction_unknown'),
  )
  const { value } = await world.payments.confirmTransaction(alice, ask, 'confirm')
  assert.equal(value.status, 'accepted')
  const replay = await world.payments.confirmTransaction(alice, ask, 'confirm')
  assert.equal(replay.replayed, true)
  assert.deepEqual(replay.value, value)
  assert.equal((await walletOf(bob)).balance, 50_000n)
  assert.equal((await world.pay(alice, bob, 60_000n)).status, 'accepted')
})

test('five wrong codes end a payment and free its money', async () => {
  const [alice, bob] = [await world.rich(100_000n), await world.person()]
  const waiting = await world.pay(alice, bob, 70_000n)
  const sent = await world.codeFor(alice)
  const id = waiting.transactionId
  const wrong = Array.from({ length: 9 }, (_, digit) => String(digit).repeat(6))
    .filter((one) => one !== sent)
    .slice(0, 8)
  const tries = await Promise.allSettled(
    wrong.map(async (one) => {
      return await world.payments.confirmTransaction(alice, { id, code: one }, null)
    }),
  )
  const codes = tries.map((one) => one.status === 'rejected' && (one.reason as AppError).code)
  assert.equal(codes.filter((one) => one === 'code_wrong').length, 4, String(codes))
  const ended = await world.payments.findTransaction(alice, waiting.transactionId)
  assert.equal(ended.declineReason, 'verification_failed')
  assert.equal((await walletOf(alice)).available, 100_000n)
})

test('of a confirmation and an expiry at once, one happens', async () => {
  for (let round = 0; round < 3; round++) {
    const [alice, bob] = [await world.rich(60_000n), await world.person()]
    const waiting = await world.pay(alice, bob, 60_000n)
    const ask = { id: waiting.transactionId, code: await world.codeFor(alice) }
    world.advance(DAY)
    await Promise.allSettled([
      world.payments.confirmTransaction(alice, ask, null),
      expireVerification(world.parts, alice, waiting.transactionId),
      expireVerification(world.parts, alice, waiting.transactionId),
    ])
    const ended = await world.payments.findTransaction(alice, waiting.transactionId)
    assert.equal(ended.declineReason, 'verification_expired')
    assert.deepEqual(await walletOf(alice), { balance: 60_000n, held: 0n, available: 60_000n })
  }
})

test('money on its way is in transit, and never spendable', async () => {
  const alice = await world.person()
  const bank = await world.bank(alice)
  const { value } = await move(alice, ofBank(bank), ofUser(alice), 900n)
  assert.equal(value.status, 'waiting_for_verification')
  assert.equal(value.finality.state, 'in_transit')
  await world.until(async () => (await walletOf(alice)).balance === 900n)
  const out = await move(alice, ofUser(alice), ofBank(bank), 400n)
  assert.equal(out.value.status, 'waiting_for_verification')
  assert.equal((await walletOf(alice)).balance, 500n)
  await world.until(async () => {
    const found = await world.payments.findTransaction(alice, out.value.transactionId)
    return found.status === 'accepted'
  })
  assert.equal((await walletOf(alice)).balance, 500n)
})

test('a cash-out that the bank sends back returns to the wallet once', async () => {
  const alice = await world.rich(1_000n)
  const bad = await world.bank(alice, '9000000003')
  const out = await move(alice, ofUser(alice), ofBank(bad), 300n)
  const ended = await world.until(async () => {
    const found = await world.payments.findTransaction(alice, out.value.transactionId)
    return found.status === 'declined' && found
  })
  assert.equal(ended.declineReason, 'bank_returned_R03')
  assert.equal(ended.finality.state, 'returned')
  assert.equal((await walletOf(alice)).balance, 1_000n)
})

test('jobs of one transfer that run beside each other move its money once', async () => {
  const alice = await world.rich(1_000n)
  const [good, bad] = [await world.bank(alice), await world.bank(alice, '9000000003')]
  const ways = [
    [ofBank(good), ofUser(alice)],
    [ofUser(alice), ofBank(good)],
    [ofUser(alice), ofBank(bad)],
  ] as const
  const begun = await Promise.all(
    ways.map(async ([from, to], index) => {
      return (await move(alice, from, to, 100n + BigInt(index))).value.transactionId
    }),
  )
  // Beside those that the queue runs meanwhile.
  const beside = async (id: TransactionId) =>
    await Promise.all(
      Array.from({ length: 8 }, async (_, index) => {
        if (index % 2 === 0) await submitInstruction(world.parts, alice, id)
        else await settleInstruction(world.parts, alice, id).catch(onlyUnknown)
      }),
    )
  await world.until(async () => {
    await Promise.all(begun.map(beside))
    const found = begun.map(async (id) => await world.payments.findTransaction(alice, id))
    return (await Promise.all(found)).every(({ status }) => status !== 'waiting_for_verification')
  })
  await Promise.all(begun.map(beside))
  assert.equal((await walletOf(alice)).balance, 1_000n + 100n - 101n)
  await world.assertBooks()
})

/** The bank may be asked before it was told: the job fails, and runs again. */
function onlyUnknown(error: unknown): void {
  if (!(error instanceof RailMisuse && error.reason === 'instruction_unknown')) throw error
}

test('a payment out of a bank account reaches the other user when the bank has paid', async () => {
  const [alice, bob] = [await world.person(), await world.person()]
  const bank = await world.bank(alice)
  const { value } = await move(alice, ofBank(bank), ofUser(bob), 4_200n)
  assert.equal(value.finality.state, 'in_transit')
  await assert.rejects(
    world.payments.findTransaction(bob, value.transactionId),
    code('transaction_unknown'),
  )
  await world.until(async () => (await walletOf(bob)).balance === 4_200n)
  const seen = await world.payments.findTransaction(bob, value.transactionId)
  assert.deepEqual(seen.from, ofUser(alice), 'the bank account is not for the receiver to see')
  assert.equal((await walletOf(alice)).balance, 0n)
})

test('one from a bank over the threshold waits for the code before the bank is told', async () => {
  const [alice, bob] = [await world.person(), await world.person()]
  const bank = await world.bank(alice)
  const { value } = await move(alice, ofBank(bank), ofUser(bob), 90_000n)
  assert.equal(value.finality.state, 'held')
  const ask = { id: value.transactionId, code: await world.codeFor(alice) }
  const confirmed = await world.payments.confirmTransaction(alice, ask, null)
  assert.equal(confirmed.value.finality.state, 'in_transit')
  await world.until(async () => (await walletOf(bob)).balance === 90_000n)
})

test('one that waits for its code starts no transfer from a bank account unlinked meanwhile', async () => {
  const [alice, bob] = [await world.person(), await world.person()]
  const bank = await world.bank(alice)
  const { value } = await move(alice, ofBank(bank), ofUser(bob), 90_000n)
  await world.payments.unlinkBankAccount(alice, bank, null)
  const ask = { id: value.transactionId, code: await world.codeFor(alice) }
  const confirmed = await world.payments.confirmTransaction(alice, ask, null)
  assert.equal(confirmed.value.status, 'declined')
  assert.equal(confirmed.value.declineReason, 'bank_account_disabled')
  assert.equal((await walletOf(bob)).balance, 0n)
})

test('no transfer starts from a bank account that is unlinked at the same moment', async () => {
  for (let round = 0; round < 10; round++) {
    const alice = await world.person()
    const bank = await world.bank(alice)
    const [moved, unlinked] = await Promise.allSettled([
      move(alice, ofBank(bank), ofUser(alice), 100n),
      world.payments.unlinkBankAccount(alice, bank, null),
    ])
    assert.equal(unlinked.status, 'fulfilled')
    if (moved.status === 'rejected') {
      assert(['not_yours', 'bank_account_not_verified'].includes((moved.reason as AppError).code))
      assert.equal((await walletOf(alice)).balance, 0n)
    } else await world.until(async () => (await walletOf(alice)).balance === 100n)
    await assert.rejects(move(alice, ofBank(bank), ofUser(alice), 100n), code('not_yours'))
  }
})

test('a client may date a transaction within a day of now', async () => {
  const [alice, bob] = [await world.rich(100n), await world.person()]
  const now = world.parts.clock.now()
  for (const [span, fits] of [
    [23n * HOUR, true],
    [-23n * HOUR, true],
    [2n * DAY, false],
    [-2n * DAY, false],
  ] as const) {
    const ask = {
      from: ofUser(alice),
      to: ofUser(bob),
      amount: money(1n),
      note: null,
      transactionDate: (now + span) as typeof now,
    }
    const moved = world.payments.moveMoney(alice, ask, null, { fresh: true })
    if (fits) assert.equal((await moved).value.status, 'accepted')
    else await assert.rejects(moved, code('transaction_date_invalid'))
  }
})

test('"did it happen?" finds every kind of request, and only the caller\'s own', async () => {
  const [alice, bob] = [await world.rich(100n), await world.person()]
  const paid = await move(alice, ofUser(alice), ofUser(bob), 5n, 'happened')
  const found = await world.payments.findRequest(alice, 'happened')
  assert.equal(found.resource.type, 'transaction')
  assert.deepEqual(found.resource.type === 'transaction' && found.resource.value, paid.value)
  await assert.rejects(world.payments.findRequest(bob, 'happened'), code('request_unknown'))
  await world.payments.changeProfile(alice, { displayName: 'Alice' }, 'renamed', { fresh: true })
  assert.equal((await world.payments.findRequest(alice, 'renamed')).resource.type, 'user')
  await assert.rejects(
    world.payments.changeProfile(alice, { displayName: 'Alice' }, 'happened', { fresh: true }),
    code('idempotency_key_reused'),
  )
})

test('a frozen user receives and sends nothing, not even what waits for a code', async () => {
  const [alice, bob] = [await world.rich(100_000n), await world.rich(100n)]
  const waiting = await world.pay(alice, bob, 60_000n)
  const ask = { id: waiting.transactionId, code: await world.codeFor(alice) }
  await setFrozen(world.parts, alice, true, operator)
  assert.equal((await world.pay(alice, bob, 1n)).declineReason, 'account_blocked')
  assert.equal((await world.pay(bob, alice, 1n)).status, 'accepted')
  await assert.rejects(world.payments.confirmTransaction(alice, ask, null), code('account_frozen'))
  await setFrozen(world.parts, alice, false, operator)
  assert.equal((await world.payments.confirmTransaction(alice, ask, null)).value.status, 'accepted')
})
