import { channel } from 'node:diagnostics_channel'
import { repeatedly } from '../../time.ts'
import type { Repeated } from '../../time.ts'
import type { Queryable } from '../query.ts'
import { isSpread } from './shards.ts'

/**
 * Publishes a CommitsLook whenever it is another one than before, or something was finished; and
 * `{ event: 'commits_not_watched', error }` on the other one when it begins to fail.
 */
const commitsChannel = channel('farthing:database.commits')
const databaseChannel = channel('farthing:database.event')

/**
 * `waiting` are parts of commits that a worker has prepared, and that nobody finished within two
 * seconds; `finished` are those that this look finished; `away` are workers that did not answer.
 */
export type CommitsLook = Readonly<{ waiting: number; finished: number; away: number }>

/** With what a look takes, it leaves nothing for longer than ten seconds. */
const LOOK_EVERY_MS = 2_000
/** Any number that no other program on the same database uses for its advisory lock. */
const LOCK = 4_637_196_403

const lookStatement = `
  select coalesce(sum(result::int) filter (where success), 0)::int as waiting,
         count(*) filter (where not success)::int as away,
         has_function_privilege('recover_prepared_transactions()', 'execute') as may
  from run_command_on_workers($command$
    select count(*) from pg_prepared_xacts
    where gid like 'citus%' and database = current_database()
      and prepared < now() - interval '2 seconds' $command$)`

/** One process at a time. Citus commits what its coordinator committed, and rolls back the rest. */
const finishStatement = `select recover_prepared_transactions() as finished
  where pg_try_advisory_xact_lock(${LOCK})`

/** Looks once for commits that are left between their two phases, and finishes them. */
export async function finishCommits(db: Queryable): Promise<CommitsLook> {
  type Look = { waiting: number; away: number; may: boolean }
  const { rows } = await db.query<Look>(lookStatement)
  const { waiting, away, may } = rows[0] ?? { waiting: 0, away: 0, may: false }
  if (waiting === 0 || !may) return { waiting, away, finished: 0 }
  const done = await db.query<{ finished: number }>(finishStatement)
  return { waiting, away, finished: done.rows[0]?.finished ?? 0 }
}

/**
 * Looks again and again, on a database that Citus spreads; elsewhere it looks once and has nothing
 * to do. While the database is away it goes on trying.
 */
export function watchCommits(db: Queryable): Repeated {
  let spread: boolean | null = null
  let last = ''
  let failing = false

  async function look(): Promise<void> {
    spread ??= await isSpread(db)
    if (!spread) return
    const found = await finishCommits(db)
    const told = JSON.stringify(found)
    if (told !== last || found.finished > 0) commitsChannel.publish(found)
    last = told
  }

  return repeatedly(LOOK_EVERY_MS, async () => {
    try {
      await look()
      failing = false
    } catch (error) {
      if (!failing) databaseChannel.publish({ event: 'commits_not_watched', error })
      failing = true
    }
    return spread !== false
  })
}
