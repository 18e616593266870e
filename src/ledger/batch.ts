import assert from 'node:assert/strict'
import type { Queryable } from '../db/query.ts'
import type { Micros } from '../time.ts'
import type { Account, AccountId, Accounts, Entry } from './account.ts'
import type { Passengers, Ride, Settled } from './passengers.ts'
import { post } from './post.ts'
import type { Verdict } from './post.ts'
import * as store from './store.ts'

/** A batch that is decided and written, but not committed. */
export type Written<R> = Readonly<{ verdicts: readonly Verdict<R>[]; mark: Entry | null }>

/**
 * Everything of a batch but its commit, in three round trips: lock and look, decide, write.
 * The statements of a round trip are sent together and answered in order.
 *
 * `mark` is one of its entries: as the batch is one transaction, that entry is there for good if
 * and only if the whole batch is. Null when nothing was written.
 */
export async function writeBatch<P, R>(
  tx: Queryable,
  passengers: Passengers<P, R>,
  rides: readonly Ride<P>[],
  now: Micros,
): Promise<Written<R>> {
  const [, before, look] = await Promise.all([
    tx.query('begin isolation level read committed'),
    store.lockAccounts(tx, accountsOf(rides)),
    passengers.look(tx, rides),
  ])
  const admit = await look(before, now)
  const { after, verdicts } = post(
    before,
    rides.map((ride) => ride.movement),
    now,
    admit,
  )
  const entries = verdicts.flatMap((verdict) => (verdict.outcome === 'void' ? [] : verdict.entries))
  const mark = entries[0]
  if (!mark) return { verdicts, mark: null }

  const changed = changedAccounts(before, after)
  const settled = rides.map((ride, index): Settled<P, R> => {
    return { ride, verdict: verdicts[index] as Verdict<R> }
  })
  const [written, appended] = await Promise.all([
    store.writeAccounts(tx, before, changed),
    store.appendEntries(tx, entries),
    passengers.write(tx, settled),
  ])
  // The locks make this impossible. If it happens all the same, no row of the batch may stand.
  assert.equal(written, changed.length, 'an account changed under its lock')
  assert.equal(appended, entries.length, 'an entry was not written')
  return { verdicts, mark }
}

/** In the order of their ids, which is the order they are locked in. */
export function accountsOf<P>(rides: readonly Ride<P>[]): readonly AccountId[] {
  const ids = new Set<AccountId>()
  for (const { movement } of rides) {
    for (const line of movement.lines) ids.add(line.account)
    for (const line of movement.ifDeclined) ids.add(line.account)
  }
  return [...ids].sort()
}

function changedAccounts(before: Accounts, after: Accounts): readonly Account[] {
  return [...after.values()].filter((account) => before.get(account.id) !== account)
}
