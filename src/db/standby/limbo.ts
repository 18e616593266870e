import { AppError } from '../../errors.ts'

/** Longer than a standby that is there takes, and shorter than anybody waits for an answer. */
const STUCK_AFTER = '2 seconds'

type Look = (text: string) => Promise<Readonly<{ rows: readonly Record<string, unknown>[] }>>

/**
 * Refuses to write while commits of ours wait for a standby that is not there. Such a commit cannot
 * be called back, and keeps its session until a standby comes: each new one would take another,
 * until there is none left for those who only read.
 *
 * @throws AppError `database_unavailable`
 */
export async function requireStandby(look: Look): Promise<void> {
  const { rows } = await look(
    `select count(*)::int as stuck from pg_stat_activity
     where usename = current_user and wait_event = 'SyncRep'
       and query_start < clock_timestamp() - interval '${STUCK_AFTER}'`,
  )
  const stuck = Number(rows[0]?.['stuck'] ?? 0)
  if (stuck === 0) return
  const cause = new Error(`${stuck} commits wait for a synchronous standby`)
  throw new AppError('database_unavailable', {}, { cause })
}
