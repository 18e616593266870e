import type { TransactionId, UserId } from '../../../src/ids/ids.ts'
import { digestKey } from '../../../src/payments/rules/fingerprint.ts'

/** A request for money under a key, and the answer that its caller heard in the end. */
export type Heard = Readonly<{
  caller: UserId
  key: string
  kind: 'payment' | 'add_money' | 'cash_out'
  /** The receiving user; of a bank transfer the caller. */
  payee: UserId
  cents: bigint
  /** When the first attempt began and the answer came, in milliseconds of one steady clock. */
  began: number
  ended: number
  /** Null: refused, so that nothing is stored. */
  answer: Readonly<{ id: TransactionId; status: Status; declineReason: string | null }> | null
}>

export type Status = 'accepted' | 'declined' | 'waiting_for_verification'

const kinds = { payment: 1, add_money: 2, cash_out: 3 } as const

export type Row = Readonly<{
  id: string
  payer: string
  payee: string
  kind: number
  amount: bigint
  status: number
}>
export type Moved = Readonly<{
  id: string
  account: string
  amount: bigint
  version: bigint
  opens: boolean
  available: bigint
}>
export type Asked = Readonly<{ caller: string; key: string; subject: string }>

/** What the books hold of what was heard. */
export type Stored = Readonly<{
  transactions: ReadonlyMap<string, readonly Row[]>
  entries: ReadonlyMap<string, readonly Moved[]>
  requests: ReadonlyMap<string, readonly Asked[]>
  /** How many transactions each caller has asked for meanwhile. */
  made: ReadonlyMap<UserId, number>
}>

/**
 * What is wrong between what was heard and what is stored: something heard is not there; something
 * is there more than once; it is there, and is not what was heard; or it stands before what was
 * answered before it began.
 */
export type Lie = Readonly<{ kind: 'lost' | 'doubled' | 'untrue' | 'overtaken'; what: string }>

/** Holds what callers heard against what is stored. Pure. */
export function findLies(heard: readonly Heard[], stored: Stored): readonly Lie[] {
  const lies = heard.flatMap((one) => liesIn(one, stored))
  const byCaller = Map.groupBy(heard, ({ caller }) => caller)
  for (const [caller, made] of stored.made) {
    const own = (byCaller.get(caller) ?? []).filter(({ answer }) => answer !== null)
    const keys = new Set(own.map(keyOf)).size
    const what = `${caller} made ${made} transactions by ${keys} keys`
    if (made !== keys) lies.push({ kind: made > keys ? 'doubled' : 'lost', what })
  }
  return [...lies, ...overtaken(heard, stored)]
}

/** A request's name in the books. */
export function keyOf({ caller, key }: Pick<Heard, 'caller' | 'key'>): string {
  return `${caller} ${digestKey(key)}`
}

function liesIn(one: Heard, { transactions, entries, requests }: Stored): Lie[] {
  const recorded = requests.get(keyOf(one)) ?? []
  const name = `${one.kind} of ${one.cents} by ${one.caller} under ${one.key}`
  if (!one.answer) {
    const what = `${name}: refused, but it is recorded`
    return recorded.length === 0 ? [] : [{ kind: 'untrue', what }]
  }
  const { id, status, declineReason } = one.answer
  const lies: Lie[] = []
  const expect = (fact: boolean, lie: string, kind: Lie['kind'] = 'untrue'): void => {
    if (!fact) lies.push({ kind, what: `${name}: ${id} was heard ${status}, but ${lie}` })
  }
  const rows = transactions.get(id) ?? []
  const [row] = rows
  expect(rows.length > 0, 'it is not there', 'lost')
  expect(rows.length < 2, `it is there ${rows.length} times`, 'doubled')
  if (!row) return lies
  expect(recorded.length === 1 && recorded[0]?.subject === id, 'its key does not lead to it')
  const same =
    row.payer === one.caller &&
    row.payee === one.payee &&
    row.kind === kinds[one.kind] &&
    row.amount === one.cents
  expect(same, 'it is another one')
  const moved = entries.get(id) ?? []
  if (status === 'declined') {
    expect(row.status === 2, `it stands at ${row.status}`)
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
    expect(status === 'waiting_for_verification' || row.status === 1, `it is ${row.status}`)
    const settled = row.status === 1
    expect(!settled || total(one.caller) === paid! * one.cents, 'its payer has another sum')
    expect(!settled || total(one.payee) === got! * one.cents, 'its payee has another sum')
  }
  return lies
}

/**
 * Whatever was answered before another request began has the earlier place on every chain that
 * both are on.
 */
function overtaken(heard: readonly Heard[], { entries }: Stored): readonly Lie[] {
  const times = new Map(heard.flatMap((one) => (one.answer ? [[one.answer.id, one]] : [])))
  const openings = [...entries.values()].flat().filter(({ opens }) => opens)
  const chains = Map.groupBy(openings, ({ account }) => account)
  const lies: Lie[] = []
  for (const [account, chain] of chains) {
    let earliestEnd = Number.POSITIVE_INFINITY
    for (const entry of chain.toSorted((a, b) => Number(b.version - a.version))) {
      const one = times.get(entry.id as TransactionId)
      if (!one) continue
      const what = `${entry.id} overtook another on ${account}`
      if (earliestEnd < one.began) lies.push({ kind: 'overtaken', what })
      earliestEnd = Math.min(earliestEnd, one.ended)
    }
  }
  return lies
}
