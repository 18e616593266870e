import assert from 'node:assert/strict'
import { after, afterEach, test } from 'node:test'
import { newId } from '../../src/ids/ids.ts'
import type { TransactionId } from '../../src/ids/ids.ts'
import { chart } from '../../src/ledger/chart.ts'
import { books } from './audited.ts'
import type { ForgedEntry } from './audited.ts'

// Entries forged by somebody who can write to the database and keeps chains, accounts and sums in
// step. What gives them away is that nobody asked for them, and nothing else may need to.

/** A transaction that nobody knows. */
const unheard = newId('txn')

afterEach(async () => await books.putBack())
after(async () => await books.close())

const { bankClearing, inTransitIn, inTransitOut, fees, microEntries } = chart

/** Both sides of a move under a transaction. */
function moved(
  from: string,
  to: string,
  amount: bigint,
  under: Readonly<{ transaction: TransactionId; kind: number }>,
): readonly ForgedEntry[] {
  return [
    { account: from, other: to, amount: -amount, ...under },
    { account: to, other: from, amount, ...under },
  ]
}

const under = (name: string, kind: number) => ({ transaction: books.made(name), kind })
const named = (name: string) => `transaction ${books.made(name)}`

type Forgery = Readonly<{
  what: string
  entries: readonly ForgedEntry[]
  /** All that the audit says, and of whom: the start of each row. */
  found: Readonly<Record<string, readonly string[]>>
}>

const legs = '07-transactions-equal-their-entries'
const matched = '08-entries-have-their-transaction'
const inTransit = '10-in-transit-is-on-its-way'
const costs = '13-micro-entries-are-costs-of-ours'
const sent = '14-micro-entries-are-what-banks-were-sent'
const shown = '15-histories-show-what-happened-once'

const forgeries: readonly Forgery[] = [
  {
    what: "a theft hung under somebody else's transaction",
    entries: moved(books.bob, books.carol, 123n, under('added', 2)),
    found: { [legs]: [named('added'), named('added')] },
  },
  {
    what: 'a theft between the parties of a transaction',
    entries: moved(books.bob, books.alice, 123n, under('paid', 1)),
    found: {
      [legs]: [named('paid'), named('paid')],
      // It comes after the transaction was posted, and to its payer.
      [shown]: [named('paid')],
    },
  },
  {
    what: 'a payment that is posted twice',
    entries: moved(books.alice, books.bob, 2_500n, under('paid', 1)),
    found: {
      [legs]: [named('paid'), named('paid')],
      [matched]: [`entry ${books.bob} version 4`],
      [shown]: [named('paid')],
    },
  },
  {
    what: 'entries on third parties that come to nothing',
    entries: [
      ...moved(books.bob, books.carol, 50n, under('added', 2)),
      ...moved(books.carol, books.bob, 50n, under('added', 2)),
    ],
    found: { [legs]: Array.from({ length: 4 }, () => named('added')) },
  },
  {
    what: 'a mark on a third party',
    entries: [{ account: books.carol, other: books.bob, amount: 0n, ...under('paid', 1) }],
    found: { [matched]: [`entry ${books.carol} version 1`] },
  },
  {
    what: 'a transaction in the history of a third party',
    entries: [
      { account: books.carol, other: books.bob, amount: 0n, opens: true, ...under('paid', 1) },
    ],
    found: { [matched]: [`entry ${books.carol} version 1`], [shown]: [named('paid')] },
  },
  {
    what: 'a theft of another kind than the transaction that it hangs under',
    entries: moved(books.bob, books.carol, 123n, under('paid', 3)),
    found: {
      [legs]: [named('paid'), named('paid')],
      [matched]: [`entry ${books.bob} version 4`, `entry ${books.carol} version 1`],
    },
  },
  {
    what: 'a payment that was declined, and is paid all the same',
    entries: moved(books.alice, books.bob, 7n, under('declined', 1)),
    found: {
      [legs]: [named('declined'), named('declined')],
      [matched]: [`entry ${books.bob} version 4`],
      [shown]: [named('declined')],
    },
  },
  {
    what: 'money that a payment out of a bank moves while it waits for its code',
    entries: moved(bankClearing.id, fees.id, 70_000n, under('held by bank', 4)),
    found: { [legs]: [named('held by bank'), named('held by bank')] },
  },
  {
    what: 'money moved from the bank to the fees under a transaction of people',
    entries: moved(bankClearing.id, fees.id, 9n, under('added', 2)),
    found: { [legs]: [named('added'), named('added')] },
  },
  {
    what: 'money moved from one way to the other',
    entries: moved(inTransitIn.id, inTransitOut.id, 300n, under('paying by bank', 4)),
    found: {
      [legs]: [named('paying by bank'), named('paying by bank')],
      [inTransit]: [`account ${inTransitIn.id}`, `account ${inTransitOut.id}`],
    },
  },
  {
    what: 'a transaction that does not exist',
    entries: moved(books.bob, books.carol, 123n, { transaction: unheard, kind: 1 }),
    found: {
      [legs]: [`transaction ${unheard}`, `transaction ${unheard}`],
      [matched]: [`entry ${books.bob} version 4`, `entry ${books.carol} version 1`],
    },
  },
  {
    what: 'micro-entries that end in a wallet',
    entries: moved(microEntries.id, books.bob, 777_700n, { transaction: unheard, kind: 5 }),
    found: { [costs]: [`transaction ${unheard}`], [sent]: ['all micro-entries'] },
  },
  {
    what: 'micro-entries of a few cents that end in a wallet',
    entries: moved(microEntries.id, books.bob, 33n, { transaction: unheard, kind: 5 }),
    found: { [costs]: [`transaction ${unheard}`], [sent]: ['all micro-entries'] },
  },
  {
    what: 'micro-entries from one wallet to another',
    entries: moved(books.bob, books.carol, 123n, { transaction: unheard, kind: 5 }),
    found: { [costs]: [`transaction ${unheard}`], [sent]: ['all micro-entries'] },
  },
  {
    what: 'micro-entries under a transaction of people',
    entries: moved(books.bob, books.carol, 123n, under('paid', 5)),
    found: {
      [matched]: [`entry ${books.bob} version 4`, `entry ${books.carol} version 1`],
      [costs]: [named('paid')],
      [sent]: ['all micro-entries'],
    },
  },
  {
    what: 'micro-entries of more than any bank account is sent',
    entries: moved(microEntries.id, bankClearing.id, 777_700n, { transaction: unheard, kind: 5 }),
    found: { [costs]: [`transaction ${unheard}`], [sent]: ['all micro-entries'] },
  },
  {
    what: 'micro-entries that no bank account asked for',
    entries: moved(microEntries.id, bankClearing.id, 33n, { transaction: unheard, kind: 5 }),
    found: { [sent]: ['all micro-entries'] },
  },
]

for (const { what, entries, found } of forgeries) {
  test(`the audit finds ${what}`, async () => {
    const offences = await books.offencesOf(entries)
    const sorted = [...offences].map(([check, rows]) => [check, [...rows].sort()])
    assert.deepEqual(Object.fromEntries(sorted), found)
  })
}

test('micro-entries that are booked and not kept yet are in flight, and no offence', async () => {
  const offences = await books.offencesAfter(
    `update bank_account set micro_amounts_cents = null where bank_account_id = '${books.bank}'`,
  )
  assert.deepEqual(offences, new Map())
})

test('when all is put back the books are clean again', async () => {
  assert.deepEqual(await books.offences(), new Map())
})
