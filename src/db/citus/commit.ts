import { FIRST } from './placement.ts'

/**
 * Makes a transaction commit in two phases, whatever it goes on to write. By itself Citus commits a
 * transaction that has written to one worker there first and on the coordinator afterwards: what
 * lies on the coordinator, such as jobs, could be missing after a crash in between.
 *
 * A copy of rows into a spread table always asks for two phases, also one of no rows, which no
 * worker hears of. It takes the lock that `holdWriters` waits for, before any lock of a row.
 */
export const twoPhased = `insert into ${FIRST} (account_id, floor, at)
  select null::uuid, null::text, null::timestamptz where false`

/**
 * What a statement that only locks rows begins with on Citus, so that their worker prepares its
 * part of the transaction. Citus prepares where rows were changed, and for it neither `for update`
 * nor the rows that an `insert … select` copies in afterwards are changes: that part would be
 * committed in one phase behind all others, and a crash could leave the others without it, and the
 * lock free.
 *
 * @param keyed Which rows, by the column that the table is spread by.
 * @param counter A column that is never negative: no row is changed.
 */
export function countedAsWrite(table: string, keyed: string, counter: string): string {
  return `with counted as (
    update ${table} set ${counter} = ${counter} where ${keyed} and ${counter} < 0 returning 1)`
}
