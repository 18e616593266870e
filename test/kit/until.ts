import assert from 'node:assert/strict'
import { setTimeout as delay } from 'node:timers/promises'
import type { Pool } from '../../src/db/pool.ts'
import { onCitus } from './server.ts'

const PAUSE_MS = 20
/** Much longer than anything here takes, so that running out of it is a finding. */
export const PATIENCE_MS = 90_000

/** Waits until something is so, or fails with what it waited for. */
export async function until<T>(
  what: string,
  fact: () => Promise<T | null | undefined | false> | T | null | undefined | false,
  patienceMs: number = PATIENCE_MS,
): Promise<T> {
  const deadline = performance.now() + patienceMs
  while (performance.now() < deadline) {
    const found = await fact()
    if (found) return found
    await delay(PAUSE_MS)
  }
  return assert.fail(`waited for ${patienceMs} ms in vain: ${what}`)
}

const waiting = `select count(*)::int as count from pg_stat_activity
  where datname = current_database() and wait_event_type = 'Lock'`
const waitingThere = `select sum(result::int)::int as count
  from run_command_on_all_nodes($command$ ${waiting} $command$)`

/** Waits until so many sessions of the pool's database wait for somebody's lock. */
export async function untilLocked(pool: Pool, sessions: number): Promise<void> {
  await until(`${sessions} wait for a lock`, async () => {
    const { rows } = await pool.query<{ count: number }>(onCitus() ? waitingThere : waiting)
    return (rows[0]?.count ?? 0) >= sessions
  })
}
