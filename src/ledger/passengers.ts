import type { Queryable } from '../db/query.ts'
import type { Micros } from '../time.ts'
import type { Accounts, Movement } from './account.ts'
import type { Admit, Verdict } from './post.ts'

/** A movement with what another room sends along. The ledger never looks into the passenger. */
export type Ride<P> = Readonly<{
  movement: Movement
  /**
   * Two rides with a token in common never share a batch: the later one sees the earlier one's
   * rows.
   */
  tokens: readonly string[]
  passenger: P
}>

export type Settled<P, R> = Readonly<{ ride: Ride<P>; verdict: Verdict<R> }>

/**
 * The room that rides along: rows of its own that commit with the money or not at all, and rules of
 * its own that are asked under the same locks. `P` is a passenger, `R` a reason to refuse one.
 */
export type Passengers<P, R> = Readonly<{
  /** Sent behind the lock in the same round trip: reads for all rides at once. */
  look: (tx: Queryable, rides: readonly Ride<P>[]) => Promise<Look<R>>
  /**
   * Writes the rows of what was settled, with set-based statements. COMMIT leaves behind them
   * before they are answered: `writer` answers at once, and with nothing. What must be true of a
   * row, its statement checks: see `disagreementIn`.
   */
  write: (writer: Queryable, settled: readonly Settled<P, R>[]) => Promise<void>
}>

/** Makes the rule from the locked accounts; may read more, where what is locked asks for it. */
export type Look<R> = (accounts: Accounts, now: Micros) => Promise<Admit<R>> | Admit<R>
