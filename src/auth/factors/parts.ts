import type { Pool } from '../../db/pool.ts'
import type { Queryable } from '../../db/query.ts'
import { inTransaction } from '../../db/tx.ts'
import type { UserId } from '../../ids/ids.ts'
import type { SealKeys } from '../../seal.ts'
import type { Clock } from '../../time.ts'
import type { Recorder } from '../guard/record.ts'
import { lockFactors } from './store.ts'

/** How apps and authenticators name the house to its customers. */
export const HOUSE = 'Farthing'

const transaction = { lockTimeoutMs: 2_000 }

export type FactorParts = Readonly<{
  pool: Pool
  clock: Clock
  /** They seal the secrets of authenticator apps. */
  sealKeys: SealKeys
  /** It keys the digests of recovery codes. */
  digestKey: Uint8Array
  record: Recorder
  /**
   * Where passkeys are made and shown. `rpId` is a domain that the origin's host is or ends in:
   * a passkey is of no use under another one, so it never changes.
   */
  site: Readonly<{ rpId: string; origin: string }>
}>

/** Runs a change of a user's factors, one at a time: what it counts stays true until it commits. */
export async function changeFactors<T>(
  pool: Pool,
  userId: UserId,
  change: (tx: Queryable) => Promise<T>,
): Promise<T> {
  return await inTransaction(
    pool,
    async (tx) => {
      await lockFactors(tx, userId)
      return await change(tx)
    },
    transaction,
  )
}

/** The line under which apps and authenticators list a user. */
export function accountName(user: Readonly<{ email: string | null; handle: string }>): string {
  return user.email ?? user.handle
}
