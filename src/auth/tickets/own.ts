import type { Session } from '../../db/query.ts'
import type { UserId } from '../../ids/ids.ts'
import { addJob } from '../../queue/jobs.ts'
import { after, MINUTE, printTime, SECOND } from '../../time.ts'
import type { Micros } from '../../time.ts'
import { deleteTickets } from './store.ts'
import type { Purpose } from './store.ts'

/** How long a link, or codes, that a user was sent can be used. */
export const OWN_TICKET_LIVES = 30n * MINUTE
/** Whoever ends all reckons that another server, whose clock is ahead, handed one out before. */
export const CLOCKS_APART = 5n * SECOND

/**
 * Ends all tickets of a kind that a user was sent before a time. Their row must be locked.
 *
 * On Citus tickets lie on workers of their own, and one that was handed out just before may not
 * show yet: a job ends it, which waits until it does. The caller does not wait, for what else it
 * does may not be undone by a worker that is away.
 */
export async function endTickets(
  tx: Session,
  ask: Readonly<{ userId: UserId; purpose: Purpose; sentBefore: Micros }>,
): Promise<void> {
  const { userId, purpose, sentBefore } = ask
  await deleteTickets(tx, { userId, purpose, expireBefore: null })
  if (!tx.spread) return
  const expireBefore = printTime(after(sentBefore, OWN_TICKET_LIVES))
  const payload = { userId, purpose, expireBefore }
  await addJob(tx, 'end-tickets', payload, {})
}
