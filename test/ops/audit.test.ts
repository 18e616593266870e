import assert from 'node:assert/strict'
import { after, afterEach, before, test } from 'node:test'
import { Client } from 'pg'
import type { BankAccountId, TransactionId, UserId } from '../../src/ids/ids.ts'
import { chart } from '../../src/ledger/chart.ts'
import { money } from '../../src/money.ts'
import { auditBooks, printFinding, readChecks } from '../../src/ops/audit.ts'
import { settleInstruction } from '../../src/payments/bank-transfer.ts'
import type { Party } from '../../src/payments/views.ts'
import { HOUR } from '../../src/time.ts'
import { testServer } from '../kit/server.ts'
import { startWorld } from '../kit/world.ts'
import type { World } from '../kit/world.ts'

/** The tables that the audit reads. They are put back after each tampering. */
const tables = ['account', 'entry', 'transaction', 'request', 'app_user']

let world: World
let superuser: Client
let alice: UserId
let bob: UserId
/** One transaction of each sort. */
const made: Record<string, TransactionId> = {}

before(async () => {
  world = await startWorld({ settleMs: 600_000 })
  const url = new URL(testServer().superuserUrl)
  url.pathname = new URL(world.url).pathname
  superuser = new Client({ connectionString: url.href })
  await superuser.connect()
  await makeHistory()
  for (const table of tables) await superuser.query(`create table saved_${table} as table ${table}`)
})
afterEach(async () => await putBack())
after(async () => {
  await superuser.end()
  await world.close()
})

async function putBack(): Promise<void> {
  await superuser.query('begin; set local session_replication_role = replica')
  for (const table of tables) {
    await superuser.query(`truncate ${table}; insert into ${table} table saved_${table}`)
  }
  await superuser.query('commit')
}

async function move(name: string, from: Party, to: Party, cents: bigint): Promise<TransactionId> {
  const rest = { amount: money(cents), note: null, transactionDate: null }
  const { value } = await world.payments.moveMoney(alice, { from, to, ...rest }, `key of ${name}`)
  made[name] = value.transactionId
  return value.transactionId
}

/** Waits until the bank was told, and lets it settle. */
async function settle(id: TransactionId): Promise<void> {
  await world.until(async () => {
    const told = await world.pool.query(
      'select 1 from sandbox_transfer where instruction_id = $1',
      [id],
    )
    return told.rows.length > 0
  })
  world.advance(HOUR)
  await settleInstruction(world.parts, alice, id)
}

const ofBank = (id: BankAccountId): Party => ({ kind: 'bank', id })

async function makeHistory(): Promise<void> {
  alice = await world.person()
  bob = await world.person()
  const own: Party = { kind: 'user', id: alice }
  const other: Party = { kind: 'user', id: bob }
  const stranger: Party = { kind: 'user', id: await world.person() }
  const good = ofBank(await world.bank(alice))
  const bad = ofBank(await world.bank(alice, '9000000003'))
  await settle(await move('added', good, own, 100_000n))
  await move('paid', own, other, 2_500n)
  await move('paid again', own, other, 40n)
  await move('declined', own, other, 900_000_000n)
  await settle(await move('cashed out', own, good, 3_000n))
  await settle(await move('returned', own, bad, 500n))
  await settle(await move('paid by bank', good, other, 1_200n))
  await move('held', own, stranger, 60_000n)
  await move('adding', good, own, 700n)
  await move('cashing out', own, good, 800n)
  await move('paying by bank', good, other, 300n)
}

/** Which checks have something to say, and of which rows. */
async function offences(): Promise<ReadonlyMap<string, readonly string[]>> {
  const findings = await auditBooks(world.pool)
  const found = findings.filter(({ offences }) => offences.length > 0)
  return new Map(found.map(({ name, offences }) => [name, offences.map(({ row }) => row)]))
}

test('books in which money has gone every way are clean', async () => {
  assert.deepEqual(await offences(), new Map())
  const { rows } = await world.pool.query<{ kind: number; status: number }>(
    'select distinct kind, status from transaction order by kind, status',
  )
  assert.deepEqual(
    rows.map(({ kind, status }) => `${kind}.${status}`),
    ['1.1', '1.2', '1.3', '2.1', '2.4', '3.1', '3.2', '3.4', '4.1', '4.4'],
  )
})

test('each check says its rule, and a tampering stands below for each', () => {
  const checks = readChecks()
  assert.deepEqual(
    checks.map(({ name }) => name),
    [...new Set(tamperings.map(({ check }) => check))],
  )
  for (const { rule } of checks) assert.match(rule, /^[A-Z].*\.$/)
})

test('a finding is printed with its rows, and without any as well', () => {
  const finding = { name: '01-some', rule: 'Some.', offences: [] }
  assert.equal(printFinding(finding), 'ok    01-some')
  const broken = { ...finding, offences: [{ row: 'entry x', why: 'it is' }] }
  assert.equal(printFinding(broken), 'FAIL  01-some\n      entry x: it is')
})

test('each finding is told as soon as it is found', async () => {
  const heard: string[] = []
  const findings = await auditBooks(world.pool, ({ name }) => heard.push(name))
  assert.deepEqual(
    heard,
    findings.map(({ name }) => name),
  )
})

type Tampering = Readonly<{ check: string; what: string; sql: () => string; row: () => string }>

const ofTransaction = (name: string) => `transaction ${made[name]}`
const wallet = () => `account ${alice}`
const where = (name: string) => `where transaction_id = '${made[name]}'`
const oneEntry = (name: string) => `${where(name)} and account_id = '${bob}'`

/** Bob's entries: 1 and 2 the payments, 3 the payment by bank. */
const entryOfBob = (version: number) => () => `entry ${bob} version ${version}`

const tamperings: readonly Tampering[] = [
  {
    check: '01-transactions-sum-to-zero',
    what: 'an entry of a cent more',
    sql: () => `update entry set amount = amount + 1 ${oneEntry('paid')}`,
    row: () => ofTransaction('paid'),
  },
  {
    check: '02-balances-sum-to-zero',
    what: 'a balance of a cent more',
    sql: () => `update account set balance = balance + 1 where account_id = '${alice}'`,
    row: () => 'all accounts',
  },
  {
    check: '03-floors-hold-at-every-version',
    what: 'an entry that holds more than is there',
    sql: () => `update entry set held = balance + 1 ${oneEntry('paid again')}`,
    row: entryOfBob(2),
  },
  {
    check: '03-floors-hold-at-every-version',
    what: 'an entry below zero',
    sql: () => `update entry set balance = -1 ${oneEntry('paid')}`,
    row: entryOfBob(1),
  },
  {
    check: '04-chains-are-gapless',
    what: 'an entry that was deleted out of the middle',
    sql: () => `delete from entry ${oneEntry('paid again')}`,
    row: entryOfBob(3),
  },
  {
    check: '04-chains-are-gapless',
    what: 'an entry that was deleted at the start',
    sql: () => `delete from entry ${oneEntry('paid')}`,
    row: entryOfBob(2),
  },
  {
    check: '04-chains-are-gapless',
    what: 'a balance that is not the one before plus the amount',
    sql: () => `update entry set balance = balance + 1 ${oneEntry('paid again')}`,
    row: entryOfBob(2),
  },
  {
    check: '04-chains-are-gapless',
    what: 'a time that stands still',
    sql: () =>
      `update entry set at = (select at from entry ${oneEntry('paid')}) ${oneEntry('paid again')}`,
    row: entryOfBob(2),
  },
  {
    check: '04-chains-are-gapless',
    what: 'a total that falls',
    sql: () => `update entry set sent = sent + 1 ${oneEntry('paid again')}`,
    row: entryOfBob(3),
  },
  {
    check: '04-chains-are-gapless',
    what: 'a hold of less than nothing',
    sql: () => `update entry set held = -1 ${oneEntry('paid again')}`,
    row: entryOfBob(2),
  },
  {
    check: '05-accounts-equal-their-chains',
    what: 'the last entry deleted',
    sql: () => `delete from entry where account_id = '${bob}' and version = 3`,
    row: () => `account ${bob}`,
  },
  {
    check: '05-accounts-equal-their-chains',
    what: 'an account deleted',
    sql: () => `delete from account where account_id = '${alice}'`,
    row: wallet,
  },
  ...['version', 'balance', 'sent', 'withdrawn'].map((column) => ({
    check: '05-accounts-equal-their-chains',
    what: `another ${column}`,
    sql: () => `update account set ${column} = ${column} + 1 where account_id = '${alice}'`,
    row: wallet,
  })),
  {
    check: '05-accounts-equal-their-chains',
    what: 'another time',
    sql: () => `update account set at = at + interval '1 us' where account_id = '${alice}'`,
    row: wallet,
  },
  {
    check: '06-entries-are-append-only',
    what: 'the trigger switched off',
    sql: () => 'alter table entry disable trigger entry_append_only',
    row: () => 'table entry',
  },
  {
    check: '06-entries-are-append-only',
    what: 'the trigger for replicas only',
    sql: () => 'alter table entry enable replica trigger entry_append_only',
    row: () => 'table entry',
  },
  {
    check: '07-transactions-equal-their-entries',
    what: 'another amount',
    sql: () => `update transaction set amount = amount + 1 ${where('paid')}`,
    row: () => ofTransaction('paid'),
  },
  ...['declined', 'held', 'adding', 'paying by bank'].map((name) => ({
    check: '07-transactions-equal-their-entries',
    what: `${name}, and called accepted`,
    sql: () => `update transaction set status = 1, decline_reason = null ${where(name)}`,
    row: () => ofTransaction(name),
  })),
  ...['added', 'paid', 'cashed out', 'paid by bank'].map((name) => ({
    check: '07-transactions-equal-their-entries',
    what: `${name}, and called declined`,
    sql: () => `update transaction set status = 2, decline_reason = 'limit_send' ${where(name)}`,
    row: () => ofTransaction(name),
  })),
  {
    check: '07-transactions-equal-their-entries',
    what: 'another payee',
    sql: () => `update transaction set payee_id = gen_random_uuid() ${where('paid')}`,
    row: () => ofTransaction('paid'),
  },
  {
    check: '07-transactions-equal-their-entries',
    what: 'an entry that the history would not show',
    sql: () => `update entry set opens = false ${oneEntry('paid')}`,
    row: () => ofTransaction('paid'),
  },
  {
    check: '07-transactions-equal-their-entries',
    what: 'a transaction that was made up',
    sql: () =>
      `insert into transaction select gen_random_uuid(), payer_id, payee_id, bank_account_id, kind,
         amount, status, decline_reason, note, created_at, posted_at, until
       from transaction ${where('declined')}`,
    row: () => 'transaction ',
  },
  {
    check: '08-entries-have-their-transaction',
    what: 'a transaction deleted',
    sql: () => `delete from transaction ${where('paid')}`,
    row: entryOfBob(1),
  },
  ...['held', 'sending', 'withdrawing', 'sent', 'withdrawn'].map((column) => ({
    check: '09-what-waits-is-held',
    what: `another ${column}`,
    sql: () => `update account set ${column} = ${column} + 1 where account_id = '${alice}'`,
    row: wallet,
  })),
  ...([chart.inTransitIn, chart.inTransitOut] as const).map(({ id }) => ({
    check: '10-in-transit-is-on-its-way',
    what: `another balance of ${id.slice(-2)}`,
    sql: () => `update account set balance = balance + 1 where account_id = '${id}'`,
    row: () => `account ${id}`,
  })),
  {
    check: '10-in-transit-is-on-its-way',
    what: 'money on its way called arrived',
    sql: () => `update transaction set status = 1 ${where('adding')}`,
    row: () => `account ${chart.inTransitIn.id}`,
  },
  {
    check: '11-users-have-wallets',
    what: 'a wallet deleted',
    sql: () => `delete from account where account_id = '${alice}'`,
    row: () => `user ${alice}`,
  },
  {
    check: '11-users-have-wallets',
    what: 'a wallet that may owe',
    sql: () => `update account set floor = 'none' where account_id = '${alice}'`,
    row: () => `user ${alice}`,
  },
  {
    check: '11-users-have-wallets',
    what: 'an account of nobody',
    sql: () =>
      `insert into account (account_id, floor, at)
       values ('00000000-0000-7000-8000-000000000099', 'none', now())`,
    row: () => 'account 00000000-0000-7000-8000-000000000099',
  },
  {
    check: '11-users-have-wallets',
    what: 'an account of the chart with another floor',
    sql: () => `update account set floor = 'none' where account_id = '${chart.inTransitIn.id}'`,
    row: () => `account ${chart.inTransitIn.id}`,
  },
  {
    check: '12-requests-have-their-transaction',
    what: 'a request that names nothing',
    sql: () => `update request set subject_id = null where subject_id = '${made['paid']}'`,
    row: () => `request of user ${alice} for no transaction`,
  },
  {
    check: '12-requests-have-their-transaction',
    what: 'a request of somebody else',
    sql: () => `update request set user_id = '${bob}' where subject_id = '${made['paid']}'`,
    row: () => `request of user ${bob} for ${ofTransaction('paid')}`,
  },
  {
    check: '12-requests-have-their-transaction',
    what: 'two requests for one transaction',
    sql: () =>
      `update request set subject_id = '${made['paid']}'
       where subject_id = '${made['paid again']}'`,
    row: () => `request of user ${alice} for ${ofTransaction('paid')}`,
  },
]

for (const { check, what, sql, row } of tamperings) {
  test(`${check} finds ${what}`, async () => {
    // A superuser who knows how to get around the trigger, and a constraint that was dropped.
    await superuser.query(`set session_replication_role = replica; ${sql()}`)
    const found = (await offences()).get(check)
    await superuser.query(
      'reset session_replication_role; alter table entry enable trigger entry_append_only',
    )
    assert(
      found?.some((one) => one.startsWith(row())),
      `it names ${found?.join(', ') ?? 'nothing'}`,
    )
  })
}

test('when all is put back the books are clean again', async () => {
  assert.deepEqual(await offences(), new Map())
})
