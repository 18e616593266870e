import type { LinkParts } from '../banks/link.ts'
import type { Fence } from '../db/fence.ts'
import type { Pool } from '../db/pool.ts'
import type { Queryable } from '../db/query.ts'
import type { UserId } from '../ids/ids.ts'
import type { Ledger } from '../ledger/ledger.ts'
import type { Money } from '../money.ts'
import type { Rail } from '../rails/rail.ts'
import type { Clock } from '../time.ts'
import type { Staff } from './asks.ts'
import type { LimitRules } from './rules/limits.ts'
import type { Passenger, Reason } from './ride/passenger.ts'

/** What the hall is built of. */
export type PaymentParts = Readonly<{
  pool: Pool
  ledger: Ledger<Passenger, Reason>
  /** Keeps copies of what users see from outliving a change of it. */
  fence: Fence
  clock: Clock
  rail: Rail
  banks: LinkParts
  /** 32 bytes: keys the hashes of requests and codes. */
  digestKey: Uint8Array
  /** Null in load tests: nobody is limited. */
  limits: LimitRules | null
  /** From this amount on, a payment to someone never paid before waits for the payer's code. */
  verificationThreshold: Money
  /** From this amount on, what leaves the payer asks for a factor that was shown lately. */
  stepUpThreshold: Money
  /** Writes down who froze or thawed whom, if the transaction that did it commits. */
  noteFrozen: (
    tx: Queryable,
    note: Readonly<{ userId: UserId; frozen: boolean; by: Staff }>,
  ) => Promise<void>
}>

/** What flows that move no money are built of. */
export type QuietParts = Pick<PaymentParts, 'pool' | 'fence' | 'clock' | 'digestKey'>

/** How long a flow that moves no money waits for a lock, before it answers 503. */
export const LOCK_TIMEOUT_MS = 3_000
