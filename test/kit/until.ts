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

/** On a cluster a statement waits where its rows are, in a session that has its number there. */
const sessions = {
  here: `select pid as number, application_name, wait_event_type, wait_event, datname
         from pg_stat_activity`,
  spread: `select global_pid as number, application_name, wait_event_type, wait_event, datname
           from citus_stat_activity`,
} as const

/**
 * How many sessions of the pool's database wait for somebody's lock, or sleep. `name` is what the
 * application calls its session; null counts all.
 */
export async function countWaiting(
  pool: Pool,
  on: 'Lock' | 'PgSleep',
  name: string | null,
): Promise<number> {
  const { rows } = await pool.query<{ count: number }>(
    `with s as materialized (${onCitus() ? sessions.spread : sessions.here})
     select count(*)::int as count from s
     where datname = current_database() and $1 in (wait_event_type, wait_event)
       and ($2::text is null
            or number in (select number from s where application_name = $2))`,
    [on, name],
  )
  return rows[0]?.count ?? 0
}

/** Waits until so many sessions of the pool's database wait for somebody's lock. */
export async function untilLocked(pool: Pool, count: number): Promise<void> {
  await until(
    `${count} wait for a lock`,
    async () => (await countWaiting(pool, 'Lock', null)) >= count,
  )
}
