import { setTimeout as sleep } from 'node:timers/promises'
import { AppError } from '../../errors.ts'
import { isCanceled, isLockTimeout } from '../errors.ts'
import type { Lent, Pool } from '../pool.ts'
import { FIRST } from './placement.ts'

/**
 * How long writers are held up while those before them finish, and then for each question that
 * workers are asked meanwhile: one that is slow is asked another time. A batch waits longer.
 */
const HOLD_MS = 200
const ANSWER_MS = 100
const PAUSE_MS = 100
/** Longer than what a crash left between the phases of a commit may wait for its recovery. */
const DEADLINE_MS = 60_000

/** Asks every shard for a row: each worker's connection is open then, or has its snapshot. */
const touchAll = `select count(*) from (select 1 from ${FIRST} limit 1) touched`

/** Parts of commits that a worker has prepared and not finished. */
const unfinished = `select coalesce(sum(result::int), 0)::int as count from run_command_on_workers(
  'select count(*) from pg_prepared_xacts
   where gid like ''citus%'' and database = current_database()') where success`

/**
 * Begins a transaction that reads the shards of all workers as they were at one moment, which Citus
 * has no word for: every transaction of ours takes a lock as it begins, see `twoPhased`. Somebody
 * who takes it in the other way waits for those under way and holds up those that come, while
 * each worker is made to take its snapshot; then they go on.
 *
 * @param reader Its connection, and no other, reads at that moment.
 * @throws AppError `database_unavailable` when there is no such moment within a minute.
 */
export async function beginMoment(pool: Pool, reader: Lent): Promise<void> {
  await reader.query(`select set_config('citus.max_intermediate_result_size', '-1', false)`)
  await reader.query(touchAll)
  const end = performance.now() + DEADLINE_MS
  while (performance.now() < end) {
    if (await tryMoment(pool, reader)) return
    await sleep(PAUSE_MS)
  }
  throw new AppError('database_unavailable', { why: 'commits are left between their two phases' })
}

async function tryMoment(pool: Pool, reader: Lent): Promise<boolean> {
  const holder = await pool.lend()
  let reading = false
  try {
    await holder.query('begin')
    await holder.query(`set local lock_timeout = ${HOLD_MS}`)
    await holder.query(`set local statement_timeout = ${HOLD_MS + ANSWER_MS}`)
    await holder.query(`lock table ${FIRST} in share mode`)
    reading = true
    const patience = await beginReading(reader)
    const { rows } = await holder.query<{ count: number }>(unfinished)
    if (rows[0]?.count === 0) {
      await reader.query(`set local statement_timeout = '${patience}'`)
      return true
    }
  } catch (error) {
    if (!isLockTimeout(error) && !isCanceled(error)) throw error
  } finally {
    holder.destroy()
  }
  if (reading) await reader.query('rollback')
  return false
}

/** @returns How long its statements may take, as it was before: the first may take little. */
async function beginReading(reader: Lent): Promise<string> {
  const { rows } = await reader.query<{ patience: string }>(
    `select current_setting('statement_timeout') as patience`,
  )
  await reader.query('begin isolation level repeatable read read only')
  await reader.query(`set local statement_timeout = ${ANSWER_MS}`)
  await reader.query(touchAll)
  return rows[0]?.patience ?? '0'
}
