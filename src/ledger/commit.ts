import { AssertionError } from 'node:assert/strict'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { DatabaseError } from 'pg'
import type { QueryResult, QueryResultRow } from 'pg'
import { isLostConnection } from '../db/errors.ts'
import type { LedgerConnection } from '../db/pool.ts'
import type { Queryable, Statement } from '../db/query.ts'
import { AppError } from '../errors.ts'
import { inTime } from './connection.ts'

/** A statement that is to be sent, with its values. */
export type Sending = Readonly<{ statement: Statement | string; values: readonly unknown[] }>

/**
 * Gathers statements instead of sending them, so that all of a batch leaves together with its
 * COMMIT. Nobody hears their answers before that: what must hold, a statement checks by itself.
 */
export type Outbox = Queryable & Readonly<{ seal: () => readonly Sending[] }>

export function createOutbox(): Outbox {
  const sendings: Sending[] = []
  let open = true
  return {
    query: async <R extends QueryResultRow>(
      statement: Statement | string,
      values: readonly unknown[] = [],
    ): Promise<QueryResult<R>> => {
      if (!open) throw new Error('A statement came after its batch was sent')
      sendings.push({ statement, values })
      return { command: '', rowCount: null, oid: 0, fields: [], rows: [] }
    },
    seal: () => {
      open = false
      return sendings
    },
  }
}

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

/**
 * A write must find each row as it was read under the lock. How many it found cannot be asked
 * afterwards, because COMMIT is sent along with it. So the statement itself fails at a row that is
 * not so: it casts `books disagree: <what>: <id>` to a number, and COMMIT is answered by ROLLBACK.
 * The cast is a plain expression that each shard computes for itself; a count over what an UPDATE
 * returns would need it inside a WITH, and Citus refuses that for writes to more than one shard.
 */
const sentence = /books disagree: (.+: [0-9a-f-]{36})/
const INVALID_TEXT_REPRESENTATION = '22P02'

/** The error of such a cast as what it is; null for every other error. */
export function disagreementIn(error: unknown): AssertionError | null {
  if (!(error instanceof DatabaseError) || error.code !== INVALID_TEXT_REPRESENTATION) return null
  const [, message] = sentence.exec(error.message) ?? []
  return message === undefined ? null : new AssertionError({ message })
}
