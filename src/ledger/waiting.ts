import type { Fence } from '../db/fence.ts'
import type { LedgerConnection } from '../db/pool.ts'
import type { Clock } from '../time.ts'
import type { AccountId } from './account.ts'
import type { Passengers, Ride } from './passengers.ts'
import type { Verdict } from './post.ts'

export type LedgerParts<P, R> = Readonly<{
  connect: () => Promise<LedgerConnection>
  passengers: Passengers<P, R>
  /** Keeps copies of what users see from outliving a batch. */
  fence: Fence
  clock: Clock
  /** Batches under way at once. Each has a connection of its own. */
  lanes: number
}>

/** A movement with the caller that waits for it. */
export type Waiting<P, R> = {
  readonly ride: Ride<P>
  readonly accounts: readonly AccountId[]
  /** In the line of all that ever came. Who goes back to the queue goes back to this place. */
  readonly place: number
  readonly since: number
  tries: number
  /** How often it was set aside because someone else had one of its accounts locked. */
  asides: number
  readonly resolve: (verdict: Verdict<R>) => void
  readonly reject: (error: unknown) => void
}
