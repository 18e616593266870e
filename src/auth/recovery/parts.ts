import type { Pool } from '../../db/pool.ts'
import type { User } from '../../users/user.ts'
import { DAY } from '../../time.ts'
import type { Clock } from '../../time.ts'
import type { Known } from '../directories/password-rules.ts'
import type { Directory } from '../directory.ts'
import type { SecondFactors } from '../factors/second-factors.ts'
import type { Budgets } from '../guard/budgets.ts'
import type { Meter } from '../guard/meter.ts'
import type { Recorder } from '../guard/record.ts'
import type { Throttle } from '../guard/throttle.ts'
import type { Sessions } from '../sessions/sessions.ts'

export type RecoveryParts = Readonly<{
  pool: Pool
  clock: Clock
  /** 32 bytes. Links and codes are made with it, so that they stand in no table and in no job. */
  digestKey: Uint8Array
  directory: Directory
  factors: SecondFactors
  sessions: Sessions
  throttle: Throttle
  budgets: Budgets
  meter: Meter
  record: Recorder
}>

/**
 * For so long a contact must have been proven to count: whoever took over a session may have put it
 * there, and its owner is to notice before.
 */
export const PROVEN_FOR = DAY

/** What a new password must not contain. */
export function knownOf({ email, handle, phoneNumber }: User): Known {
  return { email, handle, phoneNumber }
}
