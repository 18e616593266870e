import type { House } from '../../http/house.ts'
import { parseId } from '../../../src/ids/ids.ts'
import { printTime } from '../../../src/time.ts'
import type { Micros } from '../../../src/time.ts'

export type SessionRow = Readonly<{
  session_id: string
  client_id: string
  device: string | null
  ended: boolean
  expires_at: bigint
  used: boolean
}>

/** What the database knows of somebody's sessions, the oldest first. */
export async function sessionsOf({ world }: House, user: string): Promise<readonly SessionRow[]> {
  const { rows } = await world.pool.query<SessionRow>(
    `select session_id, client_id, device, revoked_at is not null as ended, expires_at,
       used_at is not null as used
     from session where user_id = $1 order by created_at, session_id`,
    [parseId('user', user)],
  )
  return rows
}

/** Whether tokens of this session are on the list of those that end before their time. */
export async function isDenied({ world }: House, sid: unknown): Promise<boolean> {
  const { rowCount } = await world.pool.query(`select from revocation where subject = $1`, [
    parseId('sess', String(sid)),
  ])
  return (rowCount ?? 0) > 0
}

/** Changes what the provider's library has written down: it goes by the machine's clock. */
export async function rewrite(
  { world }: House,
  kind: string,
  path: string,
  value: unknown,
): Promise<number> {
  const { rowCount } = await world.pool.query(
    `update oidc_payload set payload = jsonb_set(payload, array[$2], $3::jsonb) where kind = $1`,
    [kind, path, JSON.stringify(value)],
  )
  return rowCount ?? 0
}

/** Lets the last sign-in of somebody be so long ago, for the provider and for tokens. */
export async function signedInAgo(house: House, user: string, seconds: number): Promise<void> {
  await rewrite(house, 'Session', 'loginTs', Math.floor(Date.now() / 1_000) - seconds)
  await shownAgo(house, user, seconds)
}

/** The same for tokens alone. */
export async function shownAgo({ world }: House, user: string, seconds: number): Promise<void> {
  const userId = parseId('user', user)
  // Not in one statement: Citus reckons no times of a row in an update.
  const { rows } = await world.pool.query<{ id: string; at: Micros }>(
    `select session_id as id, authenticated_at - make_interval(secs => $2) as at
     from session where user_id = $1`,
    [userId, seconds],
  )
  for (const { id, at } of rows) {
    await world.pool.query(
      'update session set authenticated_at = $3 where user_id = $1 and session_id = $2',
      [userId, id, printTime(at)],
    )
  }
}
