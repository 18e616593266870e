import { setImmediate as nextTurn } from 'node:timers/promises'
import { isLostConnection } from '../db/errors.ts'
import type { LedgerConnection } from '../db/pool.ts'
import { AppError } from '../errors.ts'
import { inTime } from './connection.ts'
import type { Sending } from './outbox.ts'

/**
 * `unconfirmed`: committed, but perhaps not on the standby. `unknown`: the answer was lost.
 */
export type End = 'committed' | 'unconfirmed' | 'unknown'

/**
 * Sends the writes of a batch and its COMMIT together. After a write that fails, PostgreSQL answers
 * COMMIT by rolling back, so the others cannot stand without it.
 *
 * @throws What the server said against a write, or `database_unavailable`: nothing happened.
 */
export async function commitBatch(
  tx: LedgerConnection,
  writes: readonly Sending[],
  withinMs: number,
): Promise<End> {
  const warnings = tx.warnings()
  const writing = Promise.all(
    writes.map(async ({ statement, values }) => await tx.query(statement, values)),
  )
  // What the driver cannot print never leaves, and the server would commit all but that. It says so
  // within this turn.
  await Promise.race([writing, nextTurn()])
  const answers = Promise.allSettled([writing, tx.query('commit')])
  const [written, committed] = await inTime(answers, withinMs).catch(() => noAnswers)
  if (written?.status === 'rejected' && !isLostConnection(written.reason)) throw written.reason
  if (committed?.status !== 'fulfilled') return 'unknown'
  if (committed.value.command !== 'COMMIT') {
    throw new AppError('database_unavailable', { why: 'the commit was answered by a rollback' })
  }
  // A wait for the standby that was cut short ends with a warning. Our writes give none.
  return tx.warnings() > warnings ? 'unconfirmed' : 'committed'
}

const noAnswers = [undefined, undefined] as const
