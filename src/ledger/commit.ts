import { AssertionError } from 'node:assert/strict'
import { DatabaseError } from 'pg'
import type { QueryResult, QueryResultRow } from 'pg'
import { isLostConnection } from '../db/errors.ts'
import type { LedgerConnection } from '../db/pool.ts'
import type { Session, Statement } from '../db/query.ts'
import { AppError } from '../errors.ts'
import { inTime } from './connection.ts'

/**
 * The writes of a batch, which hears no answer while it makes them: they are kept back for COMMIT,
 * to leave in one packet with it. What must hold, a statement checks by itself.
 */
export type Writer = Session &
  Readonly<{
    /** No more writes come. */
    end: () => Writes
  }>

/** Writes that have not left. `answers` in the order of the writes. */
export type Writes = Readonly<{ answers: readonly Promise<unknown>[]; send: () => void }>

export const noWrites: Writes = { answers: [], send: () => undefined }

export function createWriter(tx: LedgerConnection): Writer {
  const send = tx.gather()
  const answers: Promise<unknown>[] = []
  let open = true
  return {
    spread: tx.spread,
    byShard: tx.byShard,
    query: async <R extends QueryResultRow>(
      statement: Statement | string,
      values?: readonly unknown[],
    ): Promise<QueryResult<R>> => {
      if (!open) throw new Error('A statement came after the end of its batch')
      const answer = tx.query(statement, values)
      answer.catch(heardAtCommit)
      answers.push(answer)
      return { command: '', rowCount: null, oid: 0, fields: [], rows: [] }
    },
    end: () => {
      open = false
      return { answers, send }
    },
  }
}

/** An error that comes before COMMIT is asked for waits for whoever asks. */
function heardAtCommit(): void {}

/**
 * `unconfirmed`: committed, but perhaps not on the standby. `unknown`: the answer was lost.
 */
export type End = 'committed' | 'unconfirmed' | 'unknown'

/**
 * Commits a batch along with its writes. After a write that fails,
 * PostgreSQL answers COMMIT by rolling back, so the others cannot stand without it.
 *
 * @throws What the server said against a write, or `database_unavailable`: nothing happened.
 */
export async function commitBatch(
  tx: LedgerConnection,
  writes: Writes,
  withinMs: number,
): Promise<End> {
  const warnings = tx.warnings()
  const writing = Promise.all(writes.answers)
  let answers
  try {
    // What the driver cannot print never leaves, and the server would commit all but that.
    await Promise.race([writing, driverHasSpoken()])
    answers = Promise.allSettled([writing, tx.query('commit')])
  } finally {
    writes.send()
  }
  const [written, committed] = await inTime(answers, withinMs).catch(() => noAnswers)
  const failure: unknown = written?.status === 'rejected' ? written.reason : null
  if (failure !== null && committed?.status === 'fulfilled' && isCommit(committed.value)) {
    throw new AssertionError({ message: 'a batch was committed without one of its writes' })
  }
  if (failure !== null && !isLostConnection(failure)) throw failure
  if (committed?.status !== 'fulfilled') return 'unknown'
  if (!isCommit(committed.value)) {
    throw new AppError('database_unavailable', { why: 'the commit was answered by a rollback' })
  }
  // A wait for the standby that was cut short ends with a warning. Our writes give none.
  return tx.warnings() > warnings ? 'unconfirmed' : 'committed'
}

/** COMMIT of a transaction in which a statement failed is answered with ROLLBACK, and no error. */
function isCommit({ command }: QueryResult): boolean {
  return command === 'COMMIT'
}

/**
 * The driver tells what it cannot print in a tick that it asks for at once, and whoever waits for
 * that statement hears it before the tick after that one: without a turn of the event loop, in
 * which the requests of many callers might come first.
 */
async function driverHasSpoken(): Promise<void> {
  await nextTick()
  await nextTick()
}

async function nextTick(): Promise<void> {
  await new Promise<void>((resolve) => process.nextTick(resolve))
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
