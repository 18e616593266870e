import { AssertionError } from 'node:assert/strict'
import { DatabaseError } from 'pg'

/**
 * A write must find each row as it was read under the lock. How many it found cannot be asked
 * afterwards, because COMMIT is sent along with it. So the statement itself fails at a row that is
 * not so, by casting `books disagree: <what>: <id>` to a number, and COMMIT is answered by ROLLBACK.
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
