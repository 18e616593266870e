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
