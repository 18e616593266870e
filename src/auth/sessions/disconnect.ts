import type { Pool } from '../../db/pool.ts'
import type { Queryable } from '../../db/query.ts'
import { inTransaction } from '../../db/tx.ts'
import { AppError } from '../../errors.ts'
import type { UserId } from '../../ids/ids.ts'
import { after, AHEAD_MAX, DAY } from '../../time.ts'
import type { Clock, Micros } from '../../time.ts'
import { findUser } from '../../users/find.ts'
import type { Recorder } from '../guard/record.ts'
import * as store from './store.ts'
import { transaction } from '../transaction.ts'

/** No token lives longer, whoever issued it: the API refuses those. */
const TOKENS_LIVE = DAY

/**
 * Ends all that a user is signed in to, here and in apps of outside issuers: sessions, browsers,
 * and all tokens that were issued up to now and five seconds on. Signing in anew is not prevented;
 * whoever does so within these seconds is refused until their app refreshes its token.
 *
 * @returns how many sessions were open here.
 * @throws AppError `user_unknown`
 */
export async function disconnect(
  { pool, clock, record }: Readonly<{ pool: Pool; clock: Clock; record: Recorder }>,
  userId: UserId,
): Promise<number> {
  return await inTransaction(
    pool,
    async (tx) => {
      if (!(await findUser(tx, userId))) throw new AppError('user_unknown')
      const now = clock.now()
      const until = await denyTokens(tx, userId, now)
      const count = await store.signOutEverywhere(tx, { userId, stays: null, now, until })
      await record(
        { ...nowhere, userId, kind: 'disconnected', outcome: 'done', facts: { count } },
        tx,
      )
      return count
    },
    transaction,
  )
}

/**
 * Ends all tokens of a user that were issued up to five seconds from now, by whomever. Gives until
 * when it counts.
 */
export async function denyTokens(tx: Queryable, userId: UserId, now: Micros): Promise<Micros> {
  const before = after(now, AHEAD_MAX)
  const until = after(before, TOKENS_LIVE)
  await store.denyUser(tx, { userId, before, until })
  return until
}

const nowhere = { network: null, device: null, clientId: null } as const
