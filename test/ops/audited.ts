import assert from 'node:assert/strict'
import { Client } from 'pg'
import type { BankAccountId, TransactionId, UserId } from '../../src/ids/ids.ts'
import { money } from '../../src/money.ts'
import { auditBooks } from '../../src/ops/audit.ts'
import { settleInstruction } from '../../src/payments/bank-transfer.ts'
import type { Party } from '../../src/payments/rules/views.ts'
import { HOUR } from '../../src/time.ts'
import { onCitus, testServer } from '../kit/server.ts'
import { startWorld } from '../kit/world.ts'
import type { World } from '../kit/world.ts'

/** The tables that the audit reads. They are put back after each tampering. */
const tables = ['account', 'entry', 'transaction', 'request', 'app_user', 'bank_account']

const refill = (source: string) =>
  tables.flatMap((table) => [
    `delete from public.${table}`,
    `insert into public.${table} select * from ${source}${table}`,
  ])

const clusterSettings = [
  `set citus.propagate_set_commands = 'local'`,
  `set citus.multi_shard_modify_mode = 'sequential'`,
]

/** An entry that never came out of the ledger. */
export type ForgedEntry = Readonly<{
  account: string
  other: string
  amount: bigint
  transaction: TransactionId
  kind: number
  opens?: boolean
  note?: string
}>

/** What a superuser does, and the start of the row that the check must name, by the check. */
export type Tamperings = Readonly<
  Record<string, readonly Readonly<{ what: string; sql: string; row: string }>[]>
>

/** Which checks have something to say, and of which rows. */
export type Offences = ReadonlyMap<string, readonly string[]>

type Audited = Readonly<{
  world: World
  alice: UserId
  bob: UserId
  carol: UserId
  /** Alice's, verified. */
  bank: BankAccountId
  /** One transaction of each sort, by name. Alice asked for all of them. */
  made: (name: string) => TransactionId
  offences: () => Promise<Offences>
  /** The offences after a superuser who knows how to get around the trigger was at work. */
  offencesAfter: (sql: string) => Promise<Offences>
  /** The same, after entries were appended so that chains, accounts and sums still agree. */
  offencesOf: (entries: readonly ForgedEntry[]) => Promise<Offences>
  putBack: () => Promise<void>
  close: () => Promise<void>
}>

async function openAudited(): Promise<Audited> {
  const world = await startWorld({ settleMs: 600_000 })
  const url = new URL(testServer().superuserUrl)
  url.pathname = new URL(world.url).pathname
  const superuser = new Client({ connectionString: url.href })
  await superuser.connect()
  for (const setting of onCitus() ? clusterSettings : []) await superuser.query(setting)
  const history = await makeHistory(world)
  for (const table of tables) await superuser.query(`create table saved_${table} as table ${table}`)

  const offences = async (): Promise<Offences> => {
    const findings = await auditBooks(world.pool)
    const found = findings.filter(({ offences }) => offences.length > 0)
    return new Map(found.map(({ name, offences }) => [name, offences.map(({ row }) => row)]))
  }
  const pastTriggers = async (...statements: readonly string[]): Promise<void> => {
    try {
      await superuser.query('begin')
      await superuser.query('set local session_replication_role = replica')
      for (const statement of statements) await superuser.query(statement)
      await superuser.query('commit')
    } catch (error) {
      await superuser.query('rollback')
      throw error
    }
  }
  const offencesAfter = async (sql: string): Promise<Offences> => {
    if (onCitus()) {
      // What shards do not take is done to copies, which their names find first.
      const copies = tables.flatMap((table) => [
        `create temp table ${table} (like public.${table} including defaults) on commit drop`,
        `insert into ${table} select * from public.${table}`,
      ])
      await pastTriggers(...copies, sql, ...refill('pg_temp.'))
      return await offences()
    }
    await pastTriggers(sql)
    const found = await offences()
    await superuser.query('alter table entry enable trigger entry_append_only')
    return found
  }
  return {
    world,
    ...history,
    offences,
    offencesAfter,
    offencesOf: async (entries) => await offencesAfter(entries.map(appended).join(';')),
    putBack: async () => {
      await pastTriggers(...refill('saved_'))
    },
    close: async () => {
      await superuser.end()
      await world.close()
    },
  }
}

/** As the ledger appends: the account and its last entry agree, and time goes on. */
function appended({ account, other, amount, transaction, kind, opens, note }: ForgedEntry): string {
  return `with a as (
      update account set version = version + 1, balance = balance + ${amount},
                         at = at + interval '1 us'
      where account_id = '${account}'
      returning *
    )
    insert into entry
    select account_id, version, '${transaction}', at, ${amount}, balance, held, sent, withdrawn,
           '${other}', ${kind}, ${opens ?? false}, ${note === undefined ? 'null' : `'${note}'`}
    from a`
}

const ofUser = (id: UserId): Party => ({ kind: 'user', id })
const ofBank = (id: BankAccountId): Party => ({ kind: 'bank', id })

async function makeHistory(world: World) {
  const alice = await world.person()
  const bob = await world.person()
  const carol = await world.person()
  const bank = await world.bank(alice)
  const [own, good] = [ofUser(alice), ofBank(bank)]
  const bad = ofBank(await world.bank(alice, '9000000003'))
  const made = new Map<string, TransactionId>()

  async function move(name: string, from: Party, to: Party, cents: bigint): Promise<TransactionId> {
    const rest = { amount: money(cents), note: `for ${name}`, transactionDate: null }
    const { value } = await world.payments.moveMoney(
      alice,
      { from, to, ...rest },
      `key of ${name}`,
      { fresh: true },
    )
    made.set(name, value.transactionId)
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

  await settle(await move('added', good, own, 100_000n))
  await move('paid', own, ofUser(bob), 2_500n)
  await move('paid again', own, ofUser(bob), 40n)
  await move('declined', own, ofUser(bob), 900_000_000n)
  await settle(await move('cashed out', own, good, 3_000n))
  await settle(await move('cash-out returned', own, bad, 500n))
  await settle(await move('paid by bank', good, ofUser(bob), 1_200n))
  await settle(await move('returned by bank', bad, ofUser(bob), 100n))
  await move('held', own, ofUser(carol), 60_000n)
  await move('held by bank', good, ofUser(carol), 70_000n)
  await move('adding', good, own, 700n)
  await move('cashing out', own, good, 800n)
  await move('paying by bank', good, ofUser(bob), 300n)
  const named = (name: string): TransactionId => {
    const id = made.get(name)
    assert(id, `no transaction is called ${name}`)
    return id
  }
  return { alice, bob, carol, bank, made: named }
}

/**
 * Books in which money has gone every way, and somebody who can write to them. One for each test
 * file, which closes them.
 */
export const books = await openAudited()
