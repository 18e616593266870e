import type { Pool } from '../../db/pool.ts'
import type { Session } from '../../db/query.ts'
import { inTransaction } from '../../db/tx.ts'
import type { UserId } from '../../ids/ids.ts'
import { addJob } from '../../queue/jobs.ts'
import type { Jobs } from '../../queue/jobs.ts'
import { after, MINUTE, parseTime, printTime, SECOND } from '../../time.ts'
import type { Micros } from '../../time.ts'
import { lockUser } from '../../users/store.ts'
import { transaction } from '../transaction.ts'
import { deleteTickets } from './store.ts'
import type { OwnPurpose } from './store.ts'

/** How long a link, or codes, that a user was sent can be used. */
export const OWN_TICKET_LIVES = 30n * MINUTE
/** Whoever ends all reckons that another server, whose clock is ahead, handed one out before. */
export const CLOCKS_APART = 5n * SECOND

/**
 * Ends all tickets of a kind that a user was sent before a time. Their row must be locked.
 *
 * On Citus tickets lie on workers of their own, and one that was handed out just before may not
 * show yet: a job ends it, which waits until it does. The caller does not wait for it: a commit
 * that somebody else left must not undo what the caller does besides.
 */
export async function endTickets(
  tx: Session,
  ask: Readonly<{ userId: UserId; purpose: OwnPurpose; sentBefore: Micros }>,
): Promise<void> {
  const { userId, purpose, sentBefore } = ask
  await deleteTickets(tx, { userId, purpose, expireBefore: null })
  if (!tx.spread) return
  const expireBefore = printTime(after(sentBefore, OWN_TICKET_LIVES))
  const payload = { userId, purpose, expireBefore }
  await addJob(tx, 'end-tickets', payload, {})
}

/** The job behind it, once all shows that was handed out before. Harmless when it comes twice. */
export async function endLateTickets(pool: Pool, job: Jobs['end-tickets']): Promise<void> {
  const { purpose } = job
  const userId = job.userId as UserId
  const expireBefore = parseTime(job.expireBefore)
  if (expireBefore === null) throw new Error('a job ends tickets of no time')
  await inTransaction(
    pool,
    async (tx) => {
      // As whoever hands tickets out: else two could wait for each other's rows.
      await lockUser(tx, userId)
      await deleteTickets(tx, { userId, purpose, expireBefore })
    },
    transaction,
  )
}
