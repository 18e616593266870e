import type { QueryResult, QueryResultRow } from 'pg'
import type { ByShard } from './citus/shards.ts'

/**
 * A statement with a name is prepared once per connection. `spread` is its text where Citus does
 * not take the other one, or not well. `writes` is said of a `select` whose functions do: any other
 * one only reads.
 */
export type Statement = Readonly<{ name: string; text: string; spread?: string; writes?: true }>

/**
 * Something that runs SQL: a pool for single reads, or the connection of a transaction.
 * bigint columns come as `bigint`, timestamptz columns as `Micros`, uuid columns as lower-case
 * text.
 */
export type Queryable = {
  query<R extends QueryResultRow>(
    statement: Statement | string,
    values?: readonly unknown[],
  ): Promise<QueryResult<R>>
}

/** One connection, which knows where rows lie. */
export type Session = Queryable &
  Readonly<{
    /** Whether the books lie on the workers of a Citus cluster. */
    spread: boolean
    byShard: ByShard
  }>
