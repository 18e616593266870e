import assert from 'node:assert/strict'
import type { Pool } from '../../../src/db/pool.ts'
import type { TransactionId, UserId } from '../../../src/ids/ids.ts'
import { auditBooks } from '../../../src/ops/audit.ts'
import { digestKey } from '../../../src/payments/rules/fingerprint.ts'

/** A request for money under a key, and the answer that its caller heard in the end. */
export type Heard = Readonly<{
  caller: UserId
  key: string
  kind: 'payment' | 'add_money' | 'cash_out'
  /** The receiving user; of a bank transfer the caller. */
  payee: UserId
  cents: bigint
  /** When the first attempt began and the answer came, in milliseconds of this process. */
  began: number
  ended: number
  /** Null: refused, so that nothing is stored. */
  answer: Readonly<{ id: TransactionId; status: Status; declineReason: string | null }> | null
}>

export type Status = 'accepted' | 'declined' | 'waiting_for_verification'

const kinds = { payment: 1, add_money: 2, cash_out: 3 } as const

type Row = Readonly<{
  id: string
  payer: string
  payee: string
  kind: number
  amount: bigint
  status: number
}>
type Moved = Readonly<{
  id: string
  account: string
  amount: bigint
  version: bigint
  opens: boolean
  available: bigint
}>
type Asked = Readonly<{ caller: string; key: string; subject: string }>

type Stored = Readonly<{
  transactions: ReadonlyMap<string, readonly Row[]>
  entries: ReadonlyMap<string, readonly Moved[]>
  requests: ReadonlyMap<string, readonly Asked[]>
}>

/** How many transactions users have asked for. */
export async function countTransactions(
  pool: Pool,
  callers: readonly UserId[],
): Promise<ReadonlyMap<UserId, number>> {
  const { rows } = await pool.query<{ id: UserId; count: number }>(
    `select payer_id as id, count(*)::int as count from transaction
     where payer_id = any($1::uuid[]) group by payer_id`,
    [`{${callers.join()}}`],
  )
  const found = new Map(rows.map(({ id, count }) => [id, count]))
  return new Map(callers.map((id) => [id, found.get(id) ?? 0]))
}

/**
 * Holds what callers heard against what is stored. Everything must have come to rest, and every
 * request of these callers since `before` must be among those that are heard.
 */
export async function assertHeardIsTrue(
  pool: Pool,
  heard: readonly Heard[],
  before: ReadonlyMap<UserId, number>,
): Promise<void> {
  const stored = await readStored(pool, heard)
  const lies = heard.flatMap((one) => liesIn(one, stored))
  const now = await countTransactions(pool, [...before.keys()])
  for (const [caller, earlier] of before) {
    const made = (now.get(caller) ?? 0) - earlier
    const keys = new Set(heard.filter((one) => one.caller === caller && one.answer).map(keyOf))
    if (made !== keys.size) lies.push(`${caller} made ${made} transactions by ${keys.size} keys`)
  }
  lies.push(...outOfOrder(heard, stored))
  assert.deepEqual(lies, [], 'what callers heard is not what is stored')
}

/** The invariants of the books: those of the audit, and the plainest of them once more. */
export async function assertBooks(pool: Pool): Promise<void> {
  const findings = await auditBooks(pool)
  assert(findings.length >= 16, 'the audit has lost some of its checks')
  assert.deepEqual(
    findings.flatMap(({ offences }) => offences),
    [],
  )
  const { rows } = await pool.query<Record<string, bigint>>(
    `select (select sum(balance)::bigint from account) as balances,
            (select coalesce(sum(amount), 0)::bigint from entry) as entries,
            (select count(*) from account a join entry e using (account_id)
             where a.floor = 'zero' and e.balance < e.held) as "belowFloor",
            (select count(*) from account a
             left join (select account_id, count(*) as length, max(version) as last
                        from entry group by account_id) c using (account_id)
             where (coalesce(c.length, 0), coalesce(c.last, 0)) <> (a.version, a.version)) as gaps`,
  )
  assert.deepEqual(rows[0], { balances: 0n, entries: 0n, belowFloor: 0n, gaps: 0n })
}

function keyOf({ caller, key }: Pick<Heard, 'caller' | 'key'>): string {
  return `${caller} ${digestKey(key)}`
}

async function readStored(pool: Pool, heard: readonly Heard[]): Promise<Stored> {
  const ids = `{${heard.flatMap(({ answer }) => answer?.id ?? []).join()}}`
  const callers = `{${[...new Set(heard.map(({ caller }) => caller))].join()}}`
  const transactions = await pool.query<Row>(
    `select transaction_id as id, payer_id as payer, payee_id as payee, kind, amount, status
     from transaction where transaction_id = any($1::uuid[])`,
    [ids],
  )
  const entries = await pool.query<Moved>(
    `select transaction_id as id, account_id as account, amount, version, opens,
            balance - held as available
     from entry where transaction_id = any($1::uuid[]) order by account_id, version`,
    [ids],
  )
  const requests = await pool.query<Asked>(
    `select user_id as caller, key_digest as key, subject_id as subject
     from request where user_id = any($1::uuid[])`,
    [callers],
  )
  return {
    transactions: Map.groupBy(transactions.rows, ({ id }) => id),
    entries: Map.groupBy(entries.rows, ({ id }) => id),
    requests: Map.groupBy(requests.rows, ({ caller, key }) => `${caller} ${key}`),
  }
}

function liesIn(one: Heard, { transactions, entries, requests }: Stored): string[] {
  const recorded = requests.get(keyOf(one)) ?? []
  const name = `${one.kind} of ${one.cents} by ${one.caller} under ${one.key}`
  if (!one.answer) return recorded.length === 0 ? [] : [`${name}: refused, but it is recorded`]
  const { id, status, declineReason } = one.answer
  const lies: string[] = []
  const expect = (fact: boolean, lie: string): void => {
    if (!fact) lies.push(`${name}: ${id} was heard ${status}, but ${lie}`)
  }
  expect(recorded.length === 1 && recorded[0]?.subject === id, 'its key does not lead to it')
  const rows = transactions.get(id) ?? []
  const [row] = rows
  expect(rows.length === 1, `it is there ${rows.length} times`)
  const same =
    row?.payer === one.caller &&
    row.payee === one.payee &&
    row.kind === kinds[one.kind] &&
    row.amount === one.cents
  expect(same, 'it is another one')
  const moved = entries.get(id) ?? []
  if (status === 'declined') {
    expect(row?.status === 2, `it stands at ${row?.status}`)
    expect(
      moved.every(({ amount }) => amount === 0n),
      'money moved',
    )
    const mark = moved.find(({ account }) => account === one.caller)
    const short = mark !== undefined && mark.available < one.cents
    expect(declineReason !== 'insufficient_funds' || short, 'there was enough money')
  } else {
    const total = (account: string): bigint =>
      moved.reduce((sum, entry) => sum + (entry.account === account ? entry.amount : 0n), 0n)
    const [paid, got] = { payment: [-1n, 1n], add_money: [1n, 1n], cash_out: [-1n, -1n] }[one.kind]
    expect(status === 'waiting_for_verification' || row?.status === 1, `it is ${row?.status}`)
    const settled = row?.status === 1
    expect(!settled || total(one.caller) === paid! * one.cents, 'its payer has another sum')
    expect(!settled || total(one.payee) === got! * one.cents, 'its payee has another sum')
  }
  return lies
}

/**
 * Whatever was answered before another request began has the earlier place on every chain that
 * both are on.
 */
function outOfOrder(heard: readonly Heard[], { entries }: Stored): string[] {
  const times = new Map(heard.flatMap((one) => (one.answer ? [[one.answer.id, one]] : [])))
  const openings = [...entries.values()].flat().filter(({ opens }) => opens)
  const chains = Map.groupBy(openings, ({ account }) => account)
  const lies: string[] = []
  for (const [account, chain] of chains) {
    let earliestEnd = Number.POSITIVE_INFINITY
    for (const entry of chain.toSorted((a, b) => Number(b.version - a.version))) {
      const one = times.get(entry.id as TransactionId)
      if (!one) continue
      if (earliestEnd < one.began) lies.push(`${entry.id} overtook another on ${account}`)
      earliestEnd = Math.min(earliestEnd, one.ended)
    }
  }
  return lies
}
