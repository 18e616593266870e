import type { QueryResult, QueryResultRow } from 'pg'
import type { Queryable, Statement } from '../db/query.ts'

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
