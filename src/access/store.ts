import type { Queryable } from '../db/query.ts'
import { printTime } from '../time.ts'
import type { Micros } from '../time.ts'

/** Tokens of a session, or of a user, that end before their time. */
export type Revocation = Readonly<{
  id: string
  subject: string
  before: Micros
  revokedAt: Micros
  expiresAt: Micros
}>

/** A place in the order in which revocations are read. */
export type Place = Readonly<{ at: string; id: string }>

const BEFORE_ALL = '00000000-0000-0000-0000-000000000000'

export function placeAt(at: Micros): Place {
  return { at: printTime(at), id: BEFORE_ALL }
}

const readStatement = {
  name: 'access_read_revocations',
  text: `select now.at as "readAt", r.revocation_id as id, r.subject, r.before,
           r.revoked_at as "revokedAt", r.expires_at as "expiresAt"
         from (select clock_timestamp() as at) now
         left join lateral (
           select * from revocation
           where (revoked_at, revocation_id)
               > (coalesce($1::timestamptz, now.at - interval '1 day'), $2::uuid)
             and expires_at > $3
           order by revoked_at, revocation_id
           limit $4
         ) r on true`,
}

type Row = Readonly<{ readAt: Micros }> & (Revocation | Readonly<{ id: null }>)

/**
 * Those behind a place that have not expired, oldest first, and the database's time. Null stands
 * for a day ago: no token that was issued before is still one.
 */
export async function readRevocations(
  db: Queryable,
  ask: Readonly<{ behind: Place | null; now: Micros; limit: number }>,
): Promise<Readonly<{ readAt: Micros; revocations: readonly Revocation[] }>> {
  const { at, id } = ask.behind ?? { at: null, id: BEFORE_ALL }
  const values = [at, id, printTime(ask.now), ask.limit]
  const { rows } = await db.query<Row>(readStatement, values)
  const [first] = rows
  if (!first) throw new Error('the database did not tell its time')
  return { readAt: first.readAt, revocations: rows.filter((row) => row.id !== null) }
}
