import { isLockTimeout } from '../db/errors.ts'
import type { Change } from '../db/fence.ts'
import type { LedgerConnection } from '../db/pool.ts'
import { begin } from '../db/session.ts'
import type { Micros } from '../time.ts'
import type { Account, AccountId, Accounts, Entry } from './account.ts'
import { createWriter, noWrites } from './commit.ts'
import type { Writes } from './commit.ts'
import type { Ride, Settled } from './passengers.ts'
import { post } from './post.ts'
import type { Verdict } from './post.ts'
import * as store from './store.ts'
import type { LedgerParts } from './waiting.ts'

/**
 * A batch that is decided, with its writes ready to leave.
 *
 * `mark` is one of its entries: as the batch is one transaction, that entry is there for good if
 * and only if the whole batch is. Null when there was nothing to write.
 */
export type Written<R> = Readonly<{
  verdicts: readonly Verdict<R>[]
  mark: Entry | null
  writes: Writes
}>

/**
 * Everything of a batch but its commit. Begins, locks the accounts and looks in one round trip: the
 * statements leave in one packet and are answered in order. Then decides, and makes what to write
 * while the fence is raised for it.
 *
 * @param lockMs How long it waits for each row that someone else has locked.
 * @throws AccountsLocked when that was a row of an account, FenceDown as the fence does.
 */
export async function writeBatch<P, R>(
  tx: LedgerConnection,
  { passengers, fence }: Pick<LedgerParts<P, R>, 'passengers' | 'fence'>,
  rides: readonly Ride<P>[],
  now: Micros,
  lockMs: number,
): Promise<Written<R>> {
  const send = tx.gather()
  const asked = [
    begin(tx, lockMs),
    fence.enter(tx),
    store.lockAccounts(tx, accountsOf(rides)).catch(asAccountsLocked),
    passengers.look(tx, rides),
  ] as const
  send()
  await firstFailure(asked)
  const [, raise, before, look] = await Promise.all(asked)
  const admit = await look(before, now)
  const movements = rides.map((ride) => ride.movement)
  const { after, verdicts } = post(before, movements, now, admit)
  const entries = verdicts.flatMap((verdict) => (verdict.outcome === 'void' ? [] : verdict.entries))
  const [mark] = entries
  if (!mark) return { verdicts, mark: null, writes: noWrites }

  const writer = createWriter(tx)
  const settled = rides.map((ride, index): Settled<P, R> => {
    return { ride, verdict: verdicts[index] as Verdict<R> }
  })
  const changed = changedAccounts(before, after)
  await Promise.all([
    raise(changed.flatMap(seenChange)),
    store.writeAccounts(writer, before, changed),
    store.appendEntries(writer, entries),
    passengers.write(writer, settled),
  ])
  return { verdicts, mark, writes: writer.end() }
}

/**
 * Waits for all that was asked in one transaction. Behind a statement that fails all others fail,
 * too, and may be heard of sooner: the first in the order of asking says why.
 */
async function firstFailure(asked: readonly Promise<unknown>[]): Promise<void> {
  const settled = await Promise.allSettled(asked)
  const failed = settled.find((one): one is PromiseRejectedResult => one.status === 'rejected')
  if (failed) throw failed.reason
}

/** Someone else kept an account locked for longer than the batch waits. */
export class AccountsLocked extends Error {
  override readonly name: string = 'AccountsLocked'
}

function asAccountsLocked(error: unknown): never {
  throw isLockTimeout(error) ? new AccountsLocked('an account is locked', { cause: error }) : error
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

/** Wallets are what users see; they are the accounts that may not owe. */
function seenChange({ id, floor, version }: Account): readonly Change[] {
  return floor === 'zero' ? [{ user: id, money: version, view: null }] : []
}

function changedAccounts(before: Accounts, after: Accounts): readonly Account[] {
  return [...after.values()].filter((account) => before.get(account.id) !== account)
}
