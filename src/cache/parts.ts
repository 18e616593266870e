/** What the protocol stands on: a database, a Redis, clocks. The explorer in test/ has its own. */

/** One span of time in which copies may be read, as its row says. `tag` is never used again. */
export type Epoch = Readonly<{
  number: bigint
  tag: string
  state: 'off' | 'closing' | 'on'
  /** The mastership of one Redis process that it belongs to. */
  reign: string
  /** For people: what made it so. */
  why: string
}>

/** The row of the epoch. All throw AppError as the database does. */
export type EpochTable = Readonly<{
  read: () => Promise<Epoch>
  /** From `on` to `closing`. Once it answers, whoever reads it sees it so, or further on. */
  close: (tag: string, why: string) => Promise<void>
  /** From `closing` to `off`: by whoever knows that no lease of it is valid any more. */
  settle: (tag: string) => Promise<void>
  /**
   * From `off` to `on`, once every transaction that entered the fence before has ended. False when
   * that took too long, or somebody else was faster.
   */
  open: (before: Epoch, next: Readonly<{ tag: string; reign: string }>) => Promise<boolean>
}>

/** A process's own time, in milliseconds: nobody sets it, but it stands still with its machine. */
export type SteadyClock = Readonly<{
  monotonic: () => number
  sleep: (ms: number) => Promise<void>
}>

/** What the clock of a Redis process says, in milliseconds since 1970. */
export type Reading = Readonly<{ reign: string; ms: number }>

/** Where a copy is kept. */
export type Place = Readonly<{ tag: string; reign: string }>

/** A place that may be read under a lease, and since when by the clock of its Redis. */
export type Leased = Place & Readonly<{ sinceMs: number }>

/** `user`: the view of oneself; `history`: its first page. */
export type Kind = 'user' | 'history'

/** The two versions of what a user sees: each only rises. */
export type Versions = Readonly<{ money: bigint; view: bigint }>

export type Look =
  | Readonly<{ is: 'hit'; value: string }>
  /** There is none, and this caller may fill it. */
  | Readonly<{ is: 'claimed' }>
  /** Somebody else is filling it. */
  | Readonly<{ is: 'taken' }>
  /** By the clock of Redis, the lease was over. */
  | Readonly<{ is: 'late' }>
  /** The epoch's keys are not whole any more, or this Redis is not the one it belongs to. */
  | Readonly<{ is: 'lost' }>

export type Raised = Readonly<{ user: string; money: bigint | null; view: bigint | null }>

/**
 * Redis, as one process reaches it at this moment. All but `reign` reject when Redis does not
 * answer in time, and what was asked may then happen still, or never.
 */
export type Copies = Readonly<{
  /** Null while there is no connection to a Redis that is fit. */
  reign: () => string | null
  /** Asks its clock. */
  now: () => Promise<Reading>
  /** @param unfit A copy that was found and does not serve: it is as good as none. */
  look: (at: Leased, kind: Kind, user: string, token: string, unfit: string | null) => Promise<Look>
  /** Keeps a copy if the claim still stands and no floor is above `versions`. */
  fill: (
    at: Place,
    copy: Readonly<{ kind: Kind; user: string; token: string; versions: Versions; value: string }>,
  ) => Promise<'filled' | 'refused' | 'lost'>
  /**
   * Raises the floors of users and takes away their copies and claims, in one round trip.
   * @returns how many floors the epoch has, or that it is lost and nothing was raised.
   */
  raise: (at: Place, floors: readonly Raised[]) => Promise<number | 'lost'>
  /** Marks that the keys of an epoch are whole from here on. */
  plant: (at: Place) => Promise<void>
  /** Takes away what is left of epochs that are over, some at a time. */
  sweep: (current: Pick<Epoch, 'number' | 'tag'>) => Promise<void>
}>

/** How long a lease lives, from when its look at the row was sent. */
export const LEASE_MS = 500
/**
 * How long whoever saw an epoch close waits until no lease can be valid: longer by what clocks of
 * two machines may differ in rate, and by what timers and readings are rounded by. A machine that
 * was behind catches up: chrony lets its clocks go faster or slower by up to 8.3 %, the monotonic
 * one as well (`maxslewrate`, 83,333 ppm), so that one may go by 1.18 while another goes by 1.
 */
export const LEASES_OVER_MS = LEASE_MS * 1.2 + 15
