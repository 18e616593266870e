import { textArray, uuidArray } from '../../db/arrays.ts'
import type { Queryable } from '../../db/query.ts'
import { parseId, printId } from '../../ids/ids.ts'
import type { SessionId, UserId } from '../../ids/ids.ts'
import { printTime } from '../../time.ts'
import type { Micros } from '../../time.ts'
import { lockUser } from '../../users/store.ts'

export type Whose = Readonly<{ userId: UserId; sessionId: SessionId }>

/** A session that has not ended, as its owner sees it in a list. */
export type OpenSession = Readonly<{
  sessionId: SessionId
  clientId: string
  device: string | null
  network: string | null
  methods: readonly string[]
  createdAt: Micros
  usedAt: Micros
  browserId: string | null
}>

const insertSessionStatement = {
  name: 'auth_insert_session',
  text: `insert into session (user_id, session_id, created_at, expires_at, client_id, device,
           network, methods, authenticated_at, browser_id)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
}

export async function insertSession(
  tx: Queryable,
  ask: Readonly<{
    userId: UserId
    sessionId: SessionId
    now: Micros
    expiresAt: Micros
    clientId: string
    device: string | null
    network: string | null
    methods: readonly string[]
    authenticatedAt: Micros
    browserId: string | null
  }>,
): Promise<void> {
  const { userId, sessionId, clientId, device, network, methods, browserId } = ask
  const times = [printTime(ask.now), printTime(ask.expiresAt)]
  const shown = [textArray(methods), printTime(ask.authenticatedAt)]
  const begun = [clientId, device, network, ...shown, browserId]
  await tx.query(insertSessionStatement, [userId, sessionId, ...times, ...begun])
}

const open = `user_id = $1 and revoked_at is null and expires_at > $2`

const readSessionStatement = {
  name: 'auth_read_session',
  text: `select client_id as "clientId", methods,
           coalesce(authenticated_at, created_at) as "authenticatedAt"
         from session where ${open} and session_id = $3`,
}

export type SessionState = Readonly<{
  clientId: string
  methods: readonly string[]
  authenticatedAt: Micros
}>

/** A session that has not ended; else `null`. */
export async function readSession(
  db: Queryable,
  ask: Readonly<{ userId: UserId; sessionId: SessionId; now: Micros }>,
): Promise<SessionState | null> {
  const values = [ask.userId, printTime(ask.now), ask.sessionId]
  const { rows } = await db.query<SessionState>(readSessionStatement, values)
  return rows[0] ?? null
}

const readSessionsStatement = {
  name: 'auth_read_sessions',
  text: `select session_id as "sessionId", client_id as "clientId", device, network, methods,
           created_at as "createdAt", coalesce(used_at, created_at) as "usedAt",
           browser_id as "browserId"
         from session where ${open} order by "usedAt" desc, session_id desc`,
}

/** The sessions of a user that have not ended, the latest used first. */
export async function readSessions(
  db: Queryable,
  userId: UserId,
  now: Micros,
): Promise<readonly OpenSession[]> {
  const { rows } = await db.query<OpenSession>(readSessionsStatement, [userId, printTime(now)])
  return rows
}

const renewStatement = {
  name: 'auth_renew_session',
  text: `update session set authenticated_at = $5, methods = $4
         where ${open} and session_id = $3`,
}

/** Notes that factors were shown again. */
export async function renewSession(
  db: Queryable,
  ask: Readonly<{
    userId: UserId
    sessionId: SessionId
    methods: readonly string[]
    at: Micros
    now: Micros
  }>,
): Promise<void> {
  const values = [ask.userId, printTime(ask.now), ask.sessionId, textArray(ask.methods)]
  await db.query(renewStatement, [...values, printTime(ask.at)])
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

const touchStatement = {
  name: 'auth_touch_session',
  text: 'update session set used_at = $3 where user_id = $1 and session_id = $2',
}

/** Notes that a session was refreshed. */
export async function touchSession(
  tx: Queryable,
  ask: Readonly<{ userId: UserId; sessionId: SessionId; now: Micros }>,
): Promise<void> {
  await tx.query(touchStatement, [ask.userId, ask.sessionId, printTime(ask.now)])
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
  name: 'auth_revoke_sessions',
  text: `update session set revoked_at = $3
         where user_id = $1 and session_id = any($2::uuid[]) and revoked_at is null
         returning session_id as "sessionId", browser_id as "browserId"`,
}

const denyStatement = {
  name: 'auth_deny_sessions',
  text: `insert into revocation (revocation_id, subject, before, expires_at)
         select gen_random_uuid(), subject, $2, $3 from unnest($1::uuid[]) as ended (subject)`,
}

const denyUserStatement = {
  name: 'auth_deny_user',
  text: `insert into revocation (revocation_id, subject, before, expires_at)
         values (gen_random_uuid(), $1, $2, $3)`,
}

/** Ends all tokens of a user that were issued up to then, by whomever. Servers read it soon. */
export async function denyUser(
  tx: Queryable,
  ask: Readonly<{ userId: UserId; before: Micros; until: Micros }>,
): Promise<void> {
  await tx.query(denyUserStatement, [ask.userId, printTime(ask.before), printTime(ask.until)])
}

const endGrantsStatement = {
  name: 'auth_end_grants',
  text: `delete from oidc_payload
         where grant_id = any($1::text[])
           or (kind = 'Grant' and id = any($1::text[]))
           or (kind = 'Session' and uid = any($2::text[]))`,
}

/**
 * Ends sessions of a user: their refresh tokens, the provider's grants and browser sessions, and,
 * as soon as servers read it, their access tokens. The user's row must be locked.
 *
 * @returns how many were open.
 */
export async function revokeSessions(
  tx: Queryable,
  ask: Readonly<{
    userId: UserId
    sessionIds: readonly SessionId[]
    now: Micros
    /** When the last access token of theirs has ended. */
    until: Micros
  }>,
): Promise<number> {
  if (ask.sessionIds.length === 0) return 0
  const now = printTime(ask.now)
  const { rows } = await tx.query<{ sessionId: SessionId; browserId: string | null }>(
    revokeStatement,
    [ask.userId, uuidArray(ask.sessionIds), now],
  )
  if (rows.length === 0) return 0
  const ended = rows.map(({ sessionId }) => sessionId)
  await tx.query(denyStatement, [uuidArray(ended), now, printTime(ask.until)])
  const grants = ended.map((sessionId) => grantOf({ userId: ask.userId, sessionId }))
  const browsers = [...new Set(rows.flatMap(({ browserId }) => browserId ?? []))]
  await tx.query(endGrantsStatement, [textArray(grants), textArray(browsers)])
  await markSignedOut(tx, { userId: ask.userId, browserIds: browsers, stays: null, now: ask.now })
  return rows.length
}

const endBrowsersStatement = {
  name: 'auth_end_browsers',
  text: `delete from oidc_payload
         where kind = 'Session' and payload ->> 'accountId' = $1 and uid is distinct from $2`,
}

const markStatement = {
  name: 'auth_mark_signed_out',
  text: `insert into signed_out (user_id, browser_id, stays, at)
         select $1, browser_id, $3, $4 from unnest($2::text[]) as ended (browser_id)
         on conflict (user_id, browser_id) do update set stays = excluded.stays, at = excluded.at`,
}

/** Empty stands for all browsers, in the table too. */
const EVERYWHERE = ''

async function markSignedOut(
  tx: Queryable,
  mark: Readonly<{
    userId: UserId
    browserIds: readonly string[]
    stays: string | null
    now: Micros
  }>,
): Promise<void> {
  if (mark.browserIds.length === 0) return
  const values = [mark.userId, textArray(mark.browserIds), mark.stays, printTime(mark.now)]
  await tx.query(markStatement, values)
}

/**
 * Ends all that a user is signed in to, but for what is in the browser that stays. Gives how many
 * sessions were open.
 */
export async function signOutEverywhere(
  tx: Queryable,
  ask: Readonly<{ userId: UserId; stays: string | null; now: Micros; until: Micros }>,
): Promise<number> {
  const { userId, stays, now } = ask
  // Whoever begins a session meanwhile waits, and then finds the mark.
  await lockUser(tx, userId)
  const open = await readSessions(tx, userId, now)
  const others = open.filter(({ browserId }) => stays === null || browserId !== stays)
  const sessionIds = others.map(({ sessionId }) => sessionId)
  const count = await revokeSessions(tx, { ...ask, sessionIds })
  await tx.query(endBrowsersStatement, [printId('user', userId), stays])
  await markSignedOut(tx, { userId, browserIds: [EVERYWHERE], stays, now })
  return count
}

const signedOutStatement = {
  name: 'auth_signed_out_at',
  text: `select max(at) as at from signed_out
         where user_id = $1
           and (browser_id = $2
             or (browser_id = $3 and (stays is null or stays is distinct from $2)))`,
}

/** When a browser, or where none is known anybody, was signed out for the last time. */
export async function signedOutAt(
  db: Queryable,
  userId: UserId,
  browserId: string | null,
): Promise<Micros | null> {
  const values = [userId, browserId, EVERYWHERE]
  const { rows } = await db.query<{ at: Micros | null }>(signedOutStatement, values)
  return rows[0]?.at ?? null
}

/** The grant of a session that began on the provider's pages is named after it and its user. */
export function grantOf({ userId, sessionId }: Whose): string {
  return `${printId('sess', sessionId)}.${printId('user', userId)}`
}

/** Whose session a grant is; `null` for what is no grant of ours. */
export function sessionOfGrant(grantId: string): Whose | null {
  const [session = '', user = ''] = grantId.split('.')
  const sessionId = parseId('sess', session)
  const userId = parseId('user', user)
  return sessionId && userId ? { userId, sessionId } : null
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
