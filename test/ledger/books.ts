import { noFence } from '../cache/kit/no-fence.ts'
import assert from 'node:assert/strict'
import { connectLedger } from '../../src/db/pool.ts'
import type { Pool } from '../../src/db/pool.ts'
import { newId } from '../../src/ids/ids.ts'
import type { TransactionId } from '../../src/ids/ids.ts'
import type { AccountId } from '../../src/ledger/account.ts'
import { createLedger } from '../../src/ledger/ledger.ts'
import type { Ledger } from '../../src/ledger/ledger.ts'
import type { Passengers, Ride } from '../../src/ledger/passengers.ts'
import { openAccounts } from '../../src/ledger/store.ts'
import { auditBooks } from '../../src/ops/audit.ts'
import { systemClock } from '../../src/time.ts'
import { freshDatabase } from '../kit/database.ts'

/** A room that rides along and has nothing to say. */
export const quiet: Passengers<null, never> = {
  look: async () => () => () => null,
  write: async () => undefined,
}

type Options<P, R> = Readonly<{
  passengers: Passengers<P, R>
  lanes?: number
  heldUpMs?: number
  /** Instead of the database's own, as through a proxy. */
  url?: string
  name?: string
}>

export type Books = Readonly<{
  pool: Pool
  url: string
  /** Accounts with this much each, out of one that may owe. */
  accounts: (count: number, cents: bigint) => Promise<readonly AccountId[]>
  /** A ledger as one server process has it. It is closed with the books. */
  ledger: <P, R>(options: Options<P, R>) => Ledger<P, R>
  balance: (id: AccountId) => Promise<bigint>
  /** How many entries there are of each transaction. */
  entries: () => Promise<ReadonlyMap<TransactionId, number>>
  /** What the audit says of the books themselves; users and their transactions are not there. */
  assertSound: () => Promise<void>
  close: () => Promise<void>
}>

/** The ledger's tables in a database of their own, and nothing around them. */
export async function openBooks(): Promise<Books> {
  const database = await freshDatabase()
  const { pool, url } = database
  const opened: { close: () => Promise<void> }[] = []

  function ledger<P, R>(options: Options<P, R>): Ledger<P, R> {
    const parts = {
      connect: async () =>
        await connectLedger({
          url: options.url ?? url,
          statementTimeoutMs: 4_000,
          lockTimeoutMs: 3_000,
          applicationName: options.name ?? 'test ledger',
        }),
      passengers: options.passengers,
      fence: noFence,
      clock: systemClock,
      lanes: options.lanes ?? 2,
    }
    const one = createLedger(parts, options.heldUpMs)
    opened.push(one)
    return one
  }

  async function accounts(count: number, cents: bigint): Promise<readonly AccountId[]> {
    const ids = Array.from({ length: count }, newAccount)
    const source = newAccount()
    const now = systemClock.now()
    await openAccounts(pool, [{ id: source, floor: 'none' }], now)
    await openAccounts(
      pool,
      ids.map((id) => ({ id, floor: 'zero' })),
      now,
    )
    if (cents === 0n) return ids
    const funding = ledger({ passengers: quiet })
    for (const id of ids) await funding.post(payment(source, id, cents))
    await funding.close()
    return ids
  }

  return {
    pool,
    url,
    accounts,
    ledger,
    balance: async (id) => {
      const { rows } = await pool.query<{ balance: bigint }>(
        'select balance from account where account_id = $1',
        [id],
      )
      assert(rows[0], 'no such account')
      return rows[0].balance
    },
    entries: async () => {
      const { rows } = await pool.query<{ id: TransactionId; count: bigint }>(
        'select transaction_id as id, count(*) as count from entry group by transaction_id',
      )
      return new Map(rows.map(({ id, count }) => [id, Number(count)]))
    },
    assertSound: async () => {
      const findings = await auditBooks(pool)
      const own = findings.filter(({ name }) => /^0[1-6]/.test(name))
      assert.equal(own.length, 6)
      assert.deepEqual(
        own.flatMap(({ offences }) => offences),
        [],
      )
    },
    close: async () => {
      await Promise.all(opened.map(async (one) => await one.close()))
      await database.drop()
    },
  }
}

/** Holds accounts' rows in a session of its own, as a slow transaction elsewhere would. */
export async function lockRows(
  { pool }: Books,
  ids: readonly AccountId[],
): Promise<Readonly<{ release: () => Promise<void> }>> {
  const other = await pool.lend()
  await other.query('begin')
  await other.query('select from account where account_id = any($1) for update', [ids])
  return {
    release: async () => {
      await other.query('rollback')
      other.giveBack()
    },
  }
}

/** Any id will do for an account that belongs to nobody. */
export const newAccount = (): AccountId => newId('user') as string as AccountId

export type Extra<P> = Readonly<{ passenger?: P; tokens?: readonly string[]; note?: string }>

/** One account pays another. When it is declined, a mark says so. */
export function payment<P = null>(
  from: AccountId,
  to: AccountId,
  cents: bigint,
  extra: Extra<P> = {},
): Ride<P> {
  const line = { opens: true, note: null }
  return {
    movement: {
      transaction: newId('txn'),
      kind: 'payment',
      lines: [
        { account: from, other: to, change: { amount: -cents, sent: cents }, ...line },
        { account: to, other: from, change: { amount: cents }, ...line, note: extra.note ?? null },
      ],
      ifDeclined: [{ account: from, other: to, change: {}, ...line }],
    },
    tokens: extra.tokens ?? [],
    passenger: (extra.passenger ?? null) as P,
  }
}
