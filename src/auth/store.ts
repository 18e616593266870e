import { uuidArray } from '../db/arrays.ts'
import type { Queryable } from '../db/query.ts'
import type { SessionId, UserId } from '../ids/ids.ts'
import { printTime } from '../time.ts'
import type { Micros } from '../time.ts'

const readCredentialStatement = {
  name: 'auth_read_credential',
  text: 'select phc from credential where user_id = $1',
}

export async function readCredential(db: Queryable, userId: UserId): Promise<string | null> {
  const { rows } = await db.query<{ phc: string }>(readCredentialStatement, [userId])
  return rows[0]?.phc ?? null
}

const writeCredentialStatement = {
  name: 'auth_write_credential',
  text: `insert into credential (user_id, phc, changed_at) values ($1, $2, $3)
         on conflict (user_id) do update set phc = excluded.phc, changed_at = excluded.changed_at`,
}

export async function writeCredential(
  tx: Queryable,
  ask: Readonly<{ userId: UserId; phc: string; now: Micros }>,
): Promise<void> {
  await tx.query(writeCredentialStatement, [ask.userId, ask.phc, printTime(ask.now)])
}

const rehashStatement = {
  name: 'auth_rehash_credential',
  text: 'update credential set phc = $3 where user_id = $1 and phc = $2',
}

/** Replaces one hash of a password by another of the same. A password changed meanwhile stays. */
export async function rehashCredential(
  db: Queryable,
  ask: Readonly<{ userId: UserId; before: string; after: string }>,
): Promise<void> {
  await db.query(rehashStatement, [ask.userId, ask.before, ask.after])
}

const insertSessionStatement = {
  name: 'auth_insert_session',
  text: `insert into session (user_id, session_id, created_at, expires_at) values ($1, $2, $3, $4)`,
}

export async function insertSession(
  tx: Queryable,
  ask: Readonly<{ userId: UserId; sessionId: SessionId; now: Micros; expiresAt: Micros }>,
): Promise<void> {
  const times = [printTime(ask.now), printTime(ask.expiresAt)]
  await tx.query(insertSessionStatement, [ask.userId, ask.sessionId, ...times])
}

const insertTokenStatement = {
  name: 'auth_insert_refresh_token',
  text: `insert into refresh_token (user_id, digest, session_id, created_at)
         values ($1, $2, $3, $4)`,
}

export async function insertRefreshToken(
  tx: Queryable,
  ask: Readonly<{ userId: UserId; digest: Buffer; sessionId: SessionId; now: Micros }>,
): Promise<void> {
  const values = [ask.userId, ask.digest, ask.sessionId, printTime(ask.now)]
  await tx.query(insertTokenStatement, values)
}

const consumeStatement = {
  name: 'auth_consume_refresh_token',
  text: `update refresh_token t set used_at = $3
         from session s
         where t.user_id = $1 and t.digest = $2 and t.used_at is null
           and s.user_id = t.user_id and s.session_id = t.session_id
           and s.revoked_at is null and s.expires_at > $3
         returning t.session_id as "sessionId"`,
}

/**
 * Uses a refresh token up. The row lock makes it happen once, however many ask together; it does
 * not happen when the session has ended.
 *
 * @returns the session, or `null` for all but the one who used it.
 */
export async function consumeRefreshToken(
  tx: Queryable,
  ask: Readonly<{ userId: UserId; digest: Buffer; now: Micros }>,
): Promise<SessionId | null> {
  const values = [ask.userId, ask.digest, printTime(ask.now)]
  const { rows } = await tx.query<{ sessionId: SessionId }>(consumeStatement, values)
  return rows[0]?.sessionId ?? null
}

const readTokenStatement = {
  name: 'auth_read_refresh_token',
  text: `select session_id as "sessionId", used_at as "usedAt" from refresh_token
         where user_id = $1 and digest = $2`,
}

export type StoredRefreshToken = Readonly<{ sessionId: SessionId; usedAt: Micros | null }>

export async function readRefreshToken(
  db: Queryable,
  userId: UserId,
  digest: Buffer,
): Promise<StoredRefreshToken | null> {
  const { rows } = await db.query<StoredRefreshToken>(readTokenStatement, [userId, digest])
  return rows[0] ?? null
}

const revokeStatement = {
  name: 'auth_revoke_session',
  text: `update session set revoked_at = $3
         where user_id = $1 and session_id = $2 and revoked_at is null`,
}

export async function revokeSession(
  db: Queryable,
  ask: Readonly<{ userId: UserId; sessionId: SessionId; now: Micros }>,
): Promise<void> {
  await db.query(revokeStatement, [ask.userId, ask.sessionId, printTime(ask.now)])
}

const deleteSessionsStatement = {
  name: 'auth_delete_sessions',
  text: `delete from session
         where user_id = $1 and session_id in (
           select session_id from session where user_id = $1 and expires_at <= $2
           order by session_id for update skip locked)
         returning session_id as "sessionId"`,
}

const deleteTokensStatement = {
  name: 'auth_delete_refresh_tokens',
  text: 'delete from refresh_token where user_id = $1 and session_id = any($2::uuid[])',
}

/**
 * Clears away the user's sessions that are over, with their tokens. What another sign-in is
 * clearing is left to it, so that two never wait for each other.
 */
export async function deleteEndedSessions(
  tx: Queryable,
  userId: UserId,
  now: Micros,
): Promise<void> {
  const { rows } = await tx.query<{ sessionId: SessionId }>(deleteSessionsStatement, [
    userId,
    printTime(now),
  ])
  const ids = rows.map(({ sessionId }) => sessionId)
  if (ids.length > 0) await tx.query(deleteTokensStatement, [userId, uuidArray(ids)])
}
