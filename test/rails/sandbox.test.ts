import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, test } from 'node:test'
import { newId } from '../../src/ids/ids.ts'
import { money } from '../../src/money.ts'
import { createSandboxBank } from '../../src/rails/bank/sandbox.ts'
import { noRail } from '../../src/rails/no-rail.ts'
import type { Instruction } from '../../src/rails/rail.ts'
import { after as later, type Micros, parseTime, SECOND } from '../../src/time.ts'
import { type FreshDatabase, freshDatabase } from '../kit/database.ts'
import { railConformance, type Track } from './conformance.ts'

let database: FreshDatabase
let now = parseTime('2026-03-02T15:00:00Z') as Micros
const clock = { now: () => now }
const key = randomBytes(32)

before(async () => {
  database = await freshDatabase()
})
after(async () => await database.drop())

const newBank = () => createSandboxBank({ db: database.pool, clock, settleMs: 2_000, key })

const track = (): Track => ({
  rail: newBank(),
  restarted: newBank,
  settle: async () => {
    now = later(now, 2n * SECOND)
  },
  good: { routingNumber: '222222226', accountNumber: '000123456789' },
  bad: { routingNumber: '222222226', accountNumber: '9000000003', code: 'R03' },
})

railConformance('sandbox bank', track)

const instruction = (changes: Partial<Instruction>): Instruction => ({
  id: newId('txn'),
  direction: 'debit',
  amount: money(500n),
  routingNumber: '222222226',
  accountNumber: '9500000001',
  accountType: 'checking',
  name: 'Ada Lovelace',
  ...changes,
})

test('a transfer settles exactly when its time has come, and not before', async () => {
  const bank = newBank()
  const { id, ...rest } = instruction({})
  const start = now
  const settlesAt = later(start, 2n * SECOND)
  const pending = { state: 'pending', until: settlesAt }
  assert.deepEqual(await bank.submit({ id, ...rest }), pending)
  now = later(settlesAt, -1n)
  assert.deepEqual(await bank.progress(id), pending)
  now = settlesAt
  assert.deepEqual(await bank.progress(id), { state: 'settled' })
})

test('a bank that settles at once answers so', async () => {
  const bank = createSandboxBank({ db: database.pool, clock, settleMs: 0, key })
  assert.deepEqual(await bank.submit(instruction({})), { state: 'settled' })
  const poor = instruction({ accountNumber: '9000000001' })
  assert.deepEqual(await bank.submit(poor), { state: 'returned', code: 'R01' })
})

test('another settling time after a restart does not touch what is on its way', async () => {
  const ask = instruction({})
  const first = await newBank().submit(ask)
  const slower = createSandboxBank({ db: database.pool, clock, settleMs: 60_000, key })
  assert.deepEqual(await slower.submit(ask), first)
})

test('account numbers that begin with 95 get 11 and 22 cents', async () => {
  const { routingNumber, accountNumber, accountType, name } = instruction({})
  const ask = { id: newId('bank'), routingNumber, accountNumber, accountType, name }
  assert.deepEqual(await newBank().sendMicroEntries(ask), [11, 22])
})

test('the books of the bank hold every movement once, and no account number', async () => {
  const bank = newBank()
  const ask = instruction({ amount: money(77_777n), accountNumber: '555000111222' })
  await bank.submit(ask)
  await bank.submit(ask)
  const { routingNumber, accountNumber, accountType, name } = ask
  const micro = { id: newId('bank'), routingNumber, accountNumber, accountType, name }
  const [one, other] = await bank.sendMicroEntries(micro)
  await bank.sendMicroEntries(micro)
  const { rows } = await database.pool.query<{ amount: bigint; all: string }>(
    `select amount, row_to_json(s)::text as all from sandbox_transfer s
     where instruction_id in ($1, $2) order by amount desc`,
    [ask.id, micro.id],
  )
  assert.deepEqual(
    rows.map(({ amount }) => amount),
    [77_777n, BigInt(one + other)],
  )
  for (const { all } of rows) assert(!all.includes(accountNumber))
})

test('without a rail every call is refused', async () => {
  const ask = instruction({})
  const refused = { name: 'AppError', code: 'rail_unavailable' }
  await assert.rejects(noRail.submit(ask), refused)
  await assert.rejects(noRail.progress(ask.id), refused)
  await assert.rejects(noRail.sendMicroEntries({ ...ask, id: newId('bank') }), refused)
})
