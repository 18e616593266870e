import assert from 'node:assert/strict'
import { test } from 'node:test'
import { newId } from '../../../../src/ids/ids.ts'
import type { TransactionId, UserId } from '../../../../src/ids/ids.ts'
import { findLies, keyOf } from '../../kit/lies.ts'
import type { Heard, Lie, Stored } from '../../kit/lies.ts'
import type { Line, Seen } from '../load/history.ts'
import { fared } from './gaps.ts'
import { findBadRecalls } from './judge.ts'
import { findBadReads } from './reads.ts'
import type { Chains, Link } from './reads.ts'

const [ann, bob] = [newId('user'), newId('user')]
const [first, second, third] = [newId('txn'), newId('txn'), newId('txn')]
const once = (began: number, ended: number) => {
  return { began, ended, attempts: [{ api: 'one', began, ended, end: 'answered' }] }
}

/** Ann pays Bob, at these times. */
function paid(id: TransactionId, cents: bigint, began: number, ended: number): Heard {
  const answer = { id, status: 'accepted', declineReason: null } as const
  return { caller: ann, key: `key ${id}`, kind: 'payment', payee: bob, cents, began, ended, answer }
}
const heard = [paid(first, 100n, 0, 10), paid(second, 200n, 20, 30), paid(third, 300n, 40, 50)]

/** The books as they ought to be. */
function booksOf(all: readonly Heard[]): Stored {
  const rows = all.map(({ answer, caller, payee, cents }) => {
    return { id: answer?.id ?? '', payer: caller, payee, kind: 1, amount: cents, status: 1 }
  })
  const entries = rows.flatMap(({ id, payer, payee, amount }, index) => {
    const shared = { id, version: BigInt(index + 1), opens: true, available: 1_000n }
    return [
      { ...shared, account: payer, amount: -amount },
      { ...shared, account: payee, amount },
    ]
  })
  const requests = all.map((one) => {
    return { caller: one.caller, key: keyOf(one), subject: one.answer?.id ?? '' }
  })
  return {
    transactions: Map.groupBy(rows, ({ id }) => id),
    entries: Map.groupBy(entries, ({ id }) => id),
    requests: Map.groupBy(requests, ({ key }) => key),
    made: new Map([[ann, all.length]]),
  }
}

function kindsOf(lies: readonly Lie[]): readonly string[] {
  return [...new Set(lies.map(({ kind }) => kind))].toSorted()
}

test('a history that is true is found so', () => {
  assert.deepEqual(findLies(heard, booksOf(heard)), [])
})

test('an accepted payment that the books do not have is lost', () => {
  const books = booksOf(heard.slice(0, 2))
  assert.deepEqual(kindsOf(findLies(heard, books)), ['lost'])
})

test('an accepted payment without its money is found', () => {
  const books = booksOf(heard)
  const entries = new Map([...books.entries].filter(([id]) => id !== second))
  const lies = findLies(heard, { ...books, entries })
  assert.match(lies[0]?.what ?? '', /its payer has another sum/)
})

test('a payment that was made twice under one key is doubled', () => {
  const again = paid(newId('txn'), 100n, 0, 10)
  const books = booksOf([...heard, again])
  assert.deepEqual(kindsOf(findLies(heard, books)), ['doubled'])
  const same = booksOf([...heard, heard[0] ?? assert.fail()])
  assert(kindsOf(findLies(heard, same)).includes('doubled'))
})

test('two answers under one key, for two transactions, are found', () => {
  const other = { ...paid(newId('txn'), 100n, 0, 10), key: heard[0]?.key ?? '' }
  assert(findLies([...heard, other], booksOf([...heard, other])).length > 0)
})

test('a payment before one that was answered before it began is found', () => {
  const [one, two, three] = heard as [Heard, Heard, Heard]
  assert.deepEqual(kindsOf(findLies(heard, booksOf([two, one, three]))), ['overtaken'])
  // Those that were under way together may stand in either order.
  const late = { ...one, ended: 25 }
  assert.deepEqual(findLies([late, two, three], booksOf([two, late, three])), [])
})

test('a decline for want of money that was there is found', () => {
  const answer = { id: first, status: 'declined', declineReason: 'insufficient_funds' } as const
  const declined = { ...paid(first, 100n, 0, 10), answer }
  const books = booksOf([declined])
  const rows = (books.transactions.get(first) ?? []).map((row) => ({ ...row, status: 2 }))
  const moved = (books.entries.get(first) ?? []).map((entry) => ({ ...entry, amount: 0n }))
  const stored = { transactions: new Map([[first, rows]]), entries: new Map([[first, moved]]) }
  const lies = findLies([declined], { ...books, ...stored })
  assert.match(lies[0]?.what ?? '', /there was enough money/)
})

const link = (id: TransactionId, balance: bigint, opens = true): Link => {
  return { id, opens, balance, held: 0n }
}
/** Ann had nothing, was at 900, 700 and 400; bob mirrors her. */
const chain = [link(first, 900n), link(second, 700n), link(third, 400n)]
const chains: Chains = new Map<UserId, readonly Link[]>([[ann, chain]])
const moves = heard.map((one): Line => {
  return { what: 'move', heard: one, ...once(one.began, one.ended) }
})
function read(seen: Seen, began: number, ended: number): Line {
  return { what: 'read', user: ann, seen, ...once(began, ended) }
}
const balance = (cents: bigint): Seen => ({ of: 'balance', balance: cents, held: 0n })
const newest = (...ids: readonly TransactionId[]): Seen => ({
  of: 'history',
  newest: ids.map((id) => ({ id, open: false })),
})
const bad = (...reads: readonly Line[]): readonly string[] =>
  findBadReads([...moves, ...reads], chains).map(({ kind }) => kind)

test('a read that shows what was so while it was under way is right', () => {
  assert.deepEqual(bad(read(balance(900n), 11, 15), read(newest(first), 11, 15)), [])
  assert.deepEqual(bad(read(balance(900n), 25, 29), read(balance(700n), 25, 29)), [])
  assert.deepEqual(bad(read(balance(400n), 51, 52), read(newest(third, second), 51, 52)), [])
  assert.deepEqual(bad(read(balance(0n), 0, 5), read(newest(), 0, 5)), [])
})

test('a read that is older than an answer which was heard before it began is stale', () => {
  assert.deepEqual(bad(read(balance(900n), 31, 35)), ['stale'])
  assert.deepEqual(bad(read(newest(first), 31, 35)), ['stale'])
  assert.deepEqual(bad(read(newest(), 31, 35)), ['stale'])
})

test('a read that is older than another read which ended before it is stale', () => {
  // The second payment is under way from 20 to 30: the first of these reads has seen it.
  assert.deepEqual(bad(read(balance(700n), 21, 22), read(balance(900n), 23, 24)), ['stale'])
  assert.deepEqual(bad(read(balance(700n), 21, 23), read(balance(900n), 22, 24)), [])
})

test('a page that shows as open what was heard to be settled is stale', () => {
  // The first is closed by an entry between the second and the third.
  const closing = [
    link(first, 900n),
    link(second, 700n),
    link(first, 700n, false),
    link(third, 400n),
  ]
  const books: Chains = new Map<UserId, readonly Link[]>([[ann, closing]])
  const saw = (open: boolean): Seen => {
    const of = [second, first].map((id) => ({ id, open: open && id === first }))
    return { of: 'history', newest: of }
  }
  const found = (...seen: readonly (readonly [Seen, number, number])[]) =>
    findBadReads([...moves, ...seen.map((one) => read(...one))], books).map(({ kind }) => kind)
  assert.deepEqual(found([saw(true), 31, 32], [saw(false), 33, 34]), [])
  assert.deepEqual(found([saw(false), 31, 32], [saw(true), 33, 34]), ['stale'])
  assert.deepEqual(found([saw(true), 51, 52]), ['stale'])
})

test('a balance that never was, and one that is not yet, are untrue', () => {
  assert.deepEqual(bad(read(balance(123n), 31, 35)), ['untrue'])
  assert.deepEqual(bad(read(balance(400n), 31, 35)), ['untrue'])
  assert.deepEqual(bad(read(newest(second, third), 51, 52)), ['untrue'])
})

test('a key that leads to nothing, or elsewhere, after it was heard of is found', () => {
  const recall = (id: TransactionId | null): Line => {
    return { what: 'recall', user: ann, key: `key ${first}`, id, ...once(60, 61) }
  }
  const kinds = (id: TransactionId | null) =>
    findBadRecalls([...moves, recall(id)]).map(({ kind }) => kind)
  assert.deepEqual(kinds(first), [])
  assert.deepEqual(kinds(second), ['untrue'])
  assert.deepEqual(kinds(null), ['stale'])
})

test('a gap is measured whole, and a request that failed after one retry is counted', () => {
  const attempts = [0, 1, 2].map((place) => {
    return { api: 'one', began: place * 10, ended: place * 10 + 5, end: 'timeout' }
  })
  const slow: Line = {
    what: 'move',
    heard: paid(first, 1n, 0, 10),
    began: 60,
    ended: 100,
    attempts,
  }
  const lines = [...moves, slow]
  const { longestGapMs, slowestMs, failedAfterRetry, failedOnce } = fared(lines, 'write', {
    from: 55,
    to: 90,
  })
  assert.deepEqual(
    { longestGapMs, slowestMs, failedAfterRetry, failedOnce },
    {
      longestGapMs: 50,
      slowestMs: 40,
      failedAfterRetry: 1,
      failedOnce: 1,
    },
  )
  // Nothing came any more: the time goes on until somebody looks.
  assert.equal(fared(moves, 'write', { from: 55, to: 90 }).longestGapMs, 40)
})
