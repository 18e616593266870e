import assert from 'node:assert/strict'
import { test } from 'node:test'
import { newId } from '../../src/ids/ids.ts'
import { money } from '../../src/money.ts'
import { type Instruction, type MicroEntries, type Rail, RailMisuse } from '../../src/rails/rail.ts'

/** A rail under test, with bank accounts of which it is known how they behave. */
export type Track = Readonly<{
  rail: Rail
  /** The same rail in another process, as after a crash: it shares nothing but what is stored. */
  restarted: () => Rail
  /** Lets as much time pass as any transfer needs. */
  settle: () => Promise<void>
  good: Readonly<{ routingNumber: string; accountNumber: string }>
  /** Comes back with this code, whatever the direction. */
  bad: Readonly<{ routingNumber: string; accountNumber: string; code: string }>
}>

const misuse = (reason: RailMisuse['reason']) => (error: unknown) =>
  error instanceof RailMisuse && error.reason === reason

/** What every rail must do: the contract of `src/rails/rail.ts`, sentence by sentence. */
export function railConformance(name: string, track: () => Track): void {
  const instruction = (changes: Partial<Instruction> = {}): Instruction => ({
    id: newId('txn'),
    direction: 'debit',
    amount: money(12_34n),
    routingNumber: track().good.routingNumber,
    accountNumber: track().good.accountNumber,
    accountType: 'checking',
    name: 'Ada Lovelace',
    ...changes,
  })

  const microEntries = (changes: Partial<MicroEntries> = {}): MicroEntries => {
    const { routingNumber, accountNumber, accountType, name } = instruction()
    return { routingNumber, accountNumber, accountType, name, id: newId('bank'), ...changes }
  }

  for (const direction of ['debit', 'credit'] as const) {
    test(`${name}: a ${direction} is pending, then settled, and stays so`, async () => {
      const { rail, settle } = track()
      const ask = instruction({ direction })
      const submitted = await rail.submit(ask)
      assert.equal(submitted.state, 'pending')
      assert.deepEqual(await rail.progress(ask.id), submitted)
      await settle()
      assert.deepEqual(await rail.progress(ask.id), { state: 'settled' })
      await settle()
      assert.deepEqual(await rail.progress(ask.id), { state: 'settled' })
    })

    test(`${name}: a ${direction} of a bad account is returned for good`, async () => {
      const { rail, settle, bad } = track()
      const { code, ...destination } = bad
      const ask = instruction({ direction, ...destination })
      assert.equal((await rail.submit(ask)).state, 'pending')
      await settle()
      assert.deepEqual(await rail.progress(ask.id), { state: 'returned', code })
      await settle()
      assert.deepEqual(await rail.submit(ask), { state: 'returned', code })
    })
  }

  test(`${name}: the same instruction again, also after a crash, changes nothing`, async () => {
    const { rail, restarted, settle } = track()
    const ask = instruction()
    const first = await rail.submit(ask)
    assert.deepEqual(await rail.submit(ask), first)
    assert.deepEqual(await restarted().submit(ask), first)
    await settle()
    assert.deepEqual(await restarted().submit(ask), { state: 'settled' })
    assert.deepEqual(await restarted().progress(ask.id), { state: 'settled' })
  })

  test(`${name}: the same instruction twenty times at once is one`, async () => {
    const { rail, restarted } = track()
    const ask = instruction()
    const rails = [rail, restarted()]
    const calls = Array.from({ length: 20 }, async (_, n) => await rails[n % 2]?.submit(ask))
    const [first, ...rest] = await Promise.all(calls)
    for (const other of rest) assert.deepEqual(other, first)
  })

  test(`${name}: another content under a known id is refused and changes nothing`, async () => {
    const { rail, bad, settle } = track()
    const ask = instruction()
    await rail.submit(ask)
    // The last four digits stay: a rail that keeps no more than those must notice it too.
    const otherNumber = `1${ask.accountNumber.slice(1)}`
    const others: Partial<Instruction>[] = [
      { direction: 'credit' },
      { amount: money(12_35n) },
      { amount: money(1_234_00n) },
      { accountNumber: otherNumber },
      { accountNumber: `0${ask.accountNumber}` },
      { accountNumber: bad.accountNumber },
      { accountType: 'savings' },
      { routingNumber: '110000000' },
    ]
    for (const changes of others) {
      await assert.rejects(rail.submit({ ...ask, ...changes }), misuse('instruction_changed'))
    }
    await settle()
    assert.deepEqual(await rail.progress(ask.id), { state: 'settled' })
  })

  test(`${name}: of two contents at once under one id, one is taken`, async () => {
    const { rail } = track()
    const ask = instruction()
    const other = { ...ask, amount: money(99_99n) }
    const outcomes = await Promise.allSettled([rail.submit(ask), rail.submit(other)])
    assert.deepEqual(outcomes.map(({ status }) => status).sort(), ['fulfilled', 'rejected'])
  })

  test(`${name}: a holder who changed their name is no other instruction`, async () => {
    const { rail } = track()
    const ask = instruction()
    const first = await rail.submit(ask)
    assert.deepEqual(await rail.submit({ ...ask, name: 'Ada King' }), first)
  })

  test(`${name}: the same content under two ids is two instructions`, async () => {
    const { rail, settle } = track()
    const [one, other] = [instruction(), instruction()]
    await rail.submit(one)
    await assert.rejects(rail.progress(other.id), misuse('instruction_unknown'))
    await rail.submit(other)
    await settle()
    assert.deepEqual(await rail.progress(other.id), { state: 'settled' })
  })

  test(`${name}: an id that was never submitted is unknown`, async () => {
    await assert.rejects(track().rail.progress(newId('txn')), misuse('instruction_unknown'))
  })

  test(`${name}: micro-entries are two amounts under a dollar, and keep to their id`, async () => {
    const { rail, restarted } = track()
    const ask = microEntries()
    const amounts = await rail.sendMicroEntries(ask)
    assert.equal(amounts.length, 2)
    for (const cents of amounts) assert(Number.isInteger(cents) && cents >= 1 && cents <= 99)
    assert.deepEqual(await rail.sendMicroEntries(ask), amounts)
    assert.deepEqual(await restarted().sendMicroEntries(ask), amounts)
  })

  test(`${name}: micro-entries differ from one bank account to the next`, async () => {
    const { rail } = track()
    const asks = Array.from({ length: 20 }, () => microEntries())
    const amounts = await Promise.all(asks.map(async (ask) => await rail.sendMicroEntries(ask)))
    assert(new Set(amounts.map((pair) => pair.join())).size > 10)
  })

  test(`${name}: micro-entries to another account under a known id are refused`, async () => {
    const { rail, bad } = track()
    const ask = microEntries()
    await rail.sendMicroEntries(ask)
    const { accountNumber } = bad
    const other = rail.sendMicroEntries({ ...ask, accountNumber })
    await assert.rejects(other, misuse('instruction_changed'))
  })
}
