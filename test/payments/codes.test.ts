import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { AppError } from '../../src/errors.ts'
import type { ErrorCode } from '../../src/errors.ts'
import type { BankAccountId, TransactionId, UserId } from '../../src/ids/ids.ts'
import { money } from '../../src/money.ts'
import { codeOf } from '../../src/payments/code.ts'
import { expireVerification } from '../../src/payments/confirm.ts'
import { sweepWaiting } from '../../src/payments/sweep.ts'
import { DAY, HOUR } from '../../src/time.ts'
import { untilLocked } from '../kit/until.ts'
import { startWorld } from '../kit/world.ts'
import type { World } from '../kit/world.ts'

let world: World
before(async () => {
  world = await startWorld()
})
after(async () => {
  await world.end()
})

const refusal = (expected: ErrorCode) => (error: unknown) => {
  assert(error instanceof AppError, String(error))
  assert.equal(error.code, expected)
  return true
}

const wrongFor = (code: string) => (code === '000000' ? '111111' : '000000')

async function waitingPayment(cents = 60_000n) {
  const [alice, bob] = [await world.rich(cents), await world.person()]
  const { transactionId: id } = await world.pay(alice, bob, cents)
  return { alice, bob, id, code: await world.codeFor(alice) }
}

/** Holds a wallet's lock as another server would, while `work` runs. */
async function whileLocked<T>(wallet: UserId, work: () => Promise<T>): Promise<T> {
  const other = await world.pool.lend()
  await other.query('begin')
  await other.query('select 1 from account where account_id = $1 for update', [wallet])
  try {
    return await work()
  } finally {
    await other.query('rollback')
    other.giveBack()
  }
}

test('the right code is never used up, however often a retry carries it', async () => {
  const { alice, id, code } = await waitingPayment()
  const confirm = async () => await world.payments.confirmTransaction(alice, { id, code }, 'again')
  const early = await whileLocked(alice, async () => {
    const tries = Array.from({ length: 5 }, async () => await confirm())
    await untilLocked(world.pool, 1)
    return tries
  })
  const answers = await Promise.all(early)
  assert.deepEqual(new Set(answers.map(({ value }) => value.status)), new Set(['accepted']))
  assert.equal(answers.filter(({ replayed }) => !replayed).length, 1)
})

test('one wrong request, sent again and again, counts once', async () => {
  const { alice, id, code } = await waitingPayment()
  const wrong = { id, code: wrongFor(code) }
  for (let tries = 0; tries < 7; tries++) {
    await assert.rejects(
      world.payments.confirmTransaction(alice, wrong, 'wrong'),
      (error) => refusal('code_wrong')(error) && (error as AppError).facts['attemptsLeft'] === 4,
    )
  }
  const { value } = await world.payments.confirmTransaction(alice, { id, code }, null)
  assert.equal(value.status, 'accepted')
})

test('a hundred guesses at once get no more tries than one after the other', async () => {
  const { alice, id, code } = await waitingPayment()
  const guesses = Array.from({ length: 100 }, (_, guess) => String(guess).padStart(6, '0'))
  const wrong = guesses.filter((guess) => guess !== code)
  const tries = await Promise.allSettled(
    wrong.map(async (guess) => {
      await world.payments.confirmTransaction(alice, { id, code: guess }, null)
    }),
  )
  const codes = tries.map((one) => one.status === 'rejected' && (one.reason as AppError).code)
  assert.equal(codes.filter((one) => one === 'code_wrong').length, 4)
  await assert.rejects(
    world.payments.confirmTransaction(alice, { id, code }, null),
    refusal('transaction_not_waiting'),
  )
})

test('a confirmation that ends in a decline is replayed as that', async () => {
  const [alice, bob] = [await world.person(), await world.person()]
  const bank: BankAccountId = await world.bank(alice)
  const ask = {
    from: { kind: 'bank', id: bank },
    to: { kind: 'user', id: bob },
    amount: money(90_000n),
    note: null,
    transactionDate: null,
  } as const
  const { value } = await world.payments.moveMoney(alice, ask, null, { fresh: true })
  const proof = { id: value.transactionId, code: await world.codeFor(alice) }
  await world.payments.unlinkBankAccount(alice, bank, null)
  const first = await world.payments.confirmTransaction(alice, proof, 'declined')
  const again = await world.payments.confirmTransaction(alice, proof, 'declined')
  assert.equal(first.value.declineReason, 'bank_account_disabled')
  assert.deepEqual(again, { value: first.value, replayed: true })
})

test('"did it happen?" waits for what is being written right now', async () => {
  const [alice, bob] = [await world.rich(1_000n), await world.person()]
  const { paid, told } = await whileLocked(alice, async () => {
    const paid = world.pay(alice, bob, 10n, 'slow')
    await untilLocked(world.pool, 1)
    const told = world.payments.findRequest(alice, 'slow')
    await untilLocked(world.pool, 2)
    return { paid, told }
  })
  const { resource } = await told
  assert.deepEqual(resource, { type: 'transaction', value: await paid })
})

test('a payment and an unlinking under one key, at once, never end in a bug', async () => {
  for (let round = 0; round < 10; round++) {
    const alice = await world.person()
    const bank = await world.bank(alice)
    const ask = {
      from: { kind: 'bank', id: bank },
      to: { kind: 'user', id: alice },
      amount: money(100n),
      note: null,
      transactionDate: null,
    } as const
    const both = await Promise.allSettled([
      world.payments.moveMoney(alice, ask, 'same', { fresh: true }),
      world.payments.unlinkBankAccount(alice, bank, 'same'),
    ])
    const done = both.filter(({ status }) => status === 'fulfilled')
    assert.equal(done.length, 1, 'one request has the key, the other is refused')
    const [refused] = both.flatMap((one) => (one.status === 'rejected' ? [one.reason] : []))
    refusal('idempotency_key_reused')(refused)
  }
})

test('an expiry that comes early comes again', async () => {
  const { alice, id } = await waitingPayment()
  await world.pool.query(`delete from graphile_worker._private_jobs where key = $1`, [
    `expire:${id}`,
  ])
  await expireVerification(world.parts, alice, id)
  const { rows } = await world.pool.query(
    `select 1 from graphile_worker.jobs where key = $1 and run_at > now() + interval '23 hours'`,
    [`expire:${id}`],
  )
  assert.equal(rows.length, 1)
})

test('the sweep finds what lost its job', async () => {
  const { alice, id } = await waitingPayment()
  await world.pool.query(`delete from graphile_worker._private_jobs where key = $1`, [
    `expire:${id}`,
  ])
  world.advance(DAY + 2n * HOUR)
  await sweepWaiting(world.parts, 100)
  // The job is due by the house's clock; the queue goes by the database's.
  await world.pool.query(`update graphile_worker._private_jobs set run_at = now() where key = $1`, [
    `expire:${id}`,
  ])
  const ended = await world.until(async () => {
    const found = await world.payments.findTransaction(alice, id)
    return found.status === 'declined' && found
  })
  assert.equal(ended.declineReason, 'verification_expired')
})

test('the sweep looks through all that wait, and leaves alone what still has its job', async () => {
  const waiting = await Promise.all(Array.from({ length: 5 }, async () => await waitingPayment()))
  const keys = waiting.map(({ id }) => `expire:${id}`)
  const [kept, parked] = [keys[1], keys[3]]
  // The queue goes by the database's clock: for it, all of them are a day away.
  await world.pool.query(
    `delete from graphile_worker._private_jobs where key = any($1) and key <> all($2)`,
    [keys, [kept, parked]],
  )
  await world.pool.query(
    `update graphile_worker._private_jobs set attempts = max_attempts where key = $1`,
    [parked],
  )
  world.advance(DAY + 2n * HOUR)
  const jobs = async () =>
    await world.pool.query<{ key: string; revision: number; attempts: number }>(
      `select key, revision, attempts from graphile_worker.jobs where key = any($1)`,
      [keys],
    )
  await sweepWaiting(world.parts, 2)
  const { rows } = await jobs()
  assert.deepEqual(new Set(rows.map(({ key }) => key)), new Set(keys))
  assert.equal(rows.find(({ key }) => key === kept)?.revision, 0)
  assert.equal(rows.find(({ key }) => key === parked)?.attempts, 0)
})

test('who changes the e-mail address in a stolen session reads no payment code', async () => {
  const [alice, bob] = [await world.rich(60_000n), await world.person()]
  const { user: before } = await world.payments.ownUser(alice, { start: null, end: null })
  const email = 'thief@example.com'
  await world.payments.changeProfile(alice, { email }, null, { fresh: true })
  const code = await world.until(async () => await world.lastCode(email))
  await world.payments.confirmContact(alice, { channel: 'email', code }, null)
  const waiting = await world.pay(alice, bob, 60_000n)
  const sent = await world.until(async () => {
    return await world.lastCode(before.email, 'Confirm your payment')
  })
  assert.equal(await world.lastCode(email, 'Confirm your payment'), null)
  const ask = { id: waiting.transactionId, code: sent }
  assert.equal((await world.payments.confirmTransaction(alice, ask, null)).value.status, 'accepted')
})

test('who fails three payments with wrong codes gets no more codes that day', async () => {
  const [alice, bob] = [await world.rich(900_000n), await world.person()]
  for (let payments = 0; payments < 3; payments++) {
    const { transactionId: id } = await world.pay(alice, bob, 60_000n)
    const code = await world.codeFor(alice)
    const guesses = Array.from({ length: 9 }, (_, digit) => String(digit).repeat(6))
    for (const guess of guesses.filter((one) => one !== code).slice(0, 5)) {
      await assert.rejects(world.payments.confirmTransaction(alice, { id, code: guess }, null))
    }
  }
  await assert.rejects(world.pay(alice, bob, 60_000n), refusal('rate_limited'))
  world.advance(DAY)
  assert.equal((await world.pay(alice, bob, 60_000n)).status, 'waiting_for_verification')
})

const guesses = ['100000', '100001', '100002', '100003', '100004']

test('a thief of a session has fifteen guesses a day, over however many payments', async () => {
  const [alice, thief] = [await world.rich(700_000n), await world.person()]
  const ids: TransactionId[] = []
  for (let count = 0; count < 6; count += 1) {
    ids.push((await world.pay(alice, thief, 60_000n)).transactionId)
  }
  const answers = await Promise.allSettled(
    ids.flatMap((id) =>
      guesses.map(async (code) => {
        return await world.payments.confirmTransaction(alice, { id, code }, null)
      }),
    ),
  )
  const codes = answers.map((one) => {
    assert(one.status === 'rejected' && one.reason instanceof AppError)
    return one.reason.code
  })
  assert.equal(codes.filter((code) => code !== 'rate_limited').length, 15)
  assert.equal(codes.filter((code) => code === 'rate_limited').length, 15)
})

test('guesses at the end of one day count for the next, and right codes cost nothing', async () => {
  const [alice, bob] = [await world.rich(900_000n), await world.person()]
  const guess = async (id: TransactionId, nth: number) =>
    await assert.rejects(
      world.payments.confirmTransaction(alice, { id, code: guesses[nth] ?? '' }, null),
      (error) => {
        assert(error instanceof AppError)
        heard.push(error.code)
        return true
      },
    )
  const heard: string[] = []
  const pay = async () => (await world.pay(alice, bob, 60_000n)).transactionId
  const old = [await pay(), await pay(), await pay()]
  world.advance(DAY - HOUR)
  for (const id of old) for (const nth of [0, 1, 2, 3]) await guess(id, nth)
  world.advance(2n * HOUR)
  const [first, second] = [await pay(), await pay()]
  for (const nth of [0, 1, 2, 3]) await guess(first, nth)
  assert.deepEqual(
    heard.map((one) => one === 'code_wrong'),
    [...Array.from({ length: 15 }, () => true), false],
  )
  assert.equal(heard.at(-1), 'rate_limited')
  const code = codeOf(world.parts.digestKey, second)
  const late = world.payments.confirmTransaction(alice, { id: second, code }, null)
  await assert.rejects(late, refusal('rate_limited'))
  world.advance(23n * HOUR)
  const again = await pay()
  const right = { id: again, code: codeOf(world.parts.digestKey, again) }
  const confirmed = await world.payments.confirmTransaction(alice, right, null)
  assert.equal(confirmed.value.status, 'accepted')
})

test('a retry finds its payment, although no more codes are to be had', async () => {
  const [alice, bob] = [await world.rich(600_000n), await world.person()]
  const first = await world.pay(alice, bob, 60_000n, 'the first')
  for (let count = 0; count < 3; count += 1) {
    const { transactionId: id } = await world.pay(alice, bob, 60_000n)
    for (const code of guesses) {
      await assert.rejects(world.payments.confirmTransaction(alice, { id, code }, null))
    }
  }
  await assert.rejects(world.pay(alice, bob, 60_000n, 'another'), refusal('rate_limited'))
  const again = await world.pay(alice, bob, 60_000n, 'the first')
  assert.equal(again.transactionId, first.transactionId)
})
