import type { Pool } from '../../db/pool.ts'
import type { Queryable } from '../../db/query.ts'
import { inTransaction } from '../../db/tx.ts'
import type { UserId } from '../../ids/ids.ts'
import type { SealKeys } from '../../seal.ts'
import type { Clock } from '../../time.ts'
import { findUser } from '../../users/find.ts'
import { lockUser } from '../../users/store.ts'
import type { EventKind, Recorder, Whence } from '../guard/record.ts'
import { tellOwner } from '../recovery/messages.ts'
import type { Notice } from '../recovery/messages.ts'
import { transaction } from '../transaction.ts'

/** How apps and authenticators name the house to its customers. */
export const HOUSE = 'Farthing'

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
      await lockUser(tx, userId)
      return await change(tx)
    },
    transaction,
  )
}

/**
 * Writes a change down and tells the owner, both if it commits: whoever took over a session would
 * add a factor of their own, and no crash may keep the owner from hearing of it.
 */
export async function announce(
  { clock, record }: Pick<FactorParts, 'clock' | 'record'>,
  tx: Queryable,
  change: Readonly<{
    userId: UserId
    kind: EventKind
    whence: Whence
    facts: Readonly<Record<string, string>>
  }>,
  notice: Notice,
): Promise<void> {
  const { userId, kind, whence, facts } = change
  const user = await findUser(tx, userId)
  if (!user) throw new Error('A user whose factors were changed has gone')
  await tellOwner(tx, user, notice, clock.now())
  await record({ ...whence, userId, kind, outcome: 'done', facts }, tx)
}

/** The line under which apps and authenticators list a user. */
export function accountName(user: Readonly<{ email: string | null; handle: string }>): string {
  return user.email ?? user.handle
}
