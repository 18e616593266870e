import type { QueryResult, QueryResultRow } from 'pg'

/** A statement with a name is prepared once per connection. */
export type Statement = Readonly<{ name: string; text: string }>

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
