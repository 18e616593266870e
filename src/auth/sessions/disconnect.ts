import type { Pool } from '../../db/pool.ts'
import { inTransaction } from '../../db/tx.ts'
import { AppError } from '../../errors.ts'
import type { UserId } from '../../ids/ids.ts'
import { after, DAY, SECOND } from '../../time.ts'
import type { Clock } from '../../time.ts'
import { findUser } from '../../users/find.ts'
import type { Recorder } from '../guard/record.ts'
import * as store from './store.ts'

/** No token lives longer, whoever issued it: the API refuses those. */
const TOKENS_LIVE = DAY
/** Another issuer's clock may be ahead by so much, and with it the time in a token of just now. */
const AHEAD_MAX = 5n * SECOND
const transaction = { lockTimeoutMs: 2_000 }

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
      const before = after(now, AHEAD_MAX)
      const until = after(before, TOKENS_LIVE)
      const open = await store.readSessions(tx, userId, now)
      const sessionIds = open.map(({ sessionId }) => sessionId)
      await store.endBrowsers(tx, userId, null)
      const count = await store.revokeSessions(tx, { userId, sessionIds, now, until })
      await store.denyUser(tx, { userId, before, until })
      await record(
        { ...nowhere, userId, kind: 'disconnected', outcome: 'done', facts: { count } },
        tx,
      )
      return count
    },
    transaction,
  )
}

const nowhere = { network: null, device: null, clientId: null } as const
