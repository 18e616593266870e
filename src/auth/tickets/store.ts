import type { Queryable } from '../../db/query.ts'
import type { UserId } from '../../ids/ids.ts'
import { printTime } from '../../time.ts'
import type { Micros } from '../../time.ts'

/** What a user was sent. */
export type OwnPurpose = 'password-reset' | 'factor-proof'
/** What a ticket is for: it is good for nothing else. */
export type Purpose = OwnPurpose | 'passkey-registration' | 'passkey-authentication'

/** What was handed out to be brought back once. Of it, the digest alone is kept. */
export type Ticket = Readonly<{
  digest: Buffer
  purpose: Purpose
  /** Who must bring it; null: anybody may. */
  userId: UserId | null
  /** What else it belongs to, in the caller's words. */
  binding: string | null
  expiresAt: Micros
}>

const insertStatement = {
  name: 'auth_insert_ticket',
  text: `insert into auth_ticket (digest, purpose, user_id, facts, expires_at)
         values ($1, $2, $3, $4, $5)`,
}

export async function insertTicket(db: Queryable, ticket: Ticket): Promise<void> {
  const { digest, purpose, userId, binding, expiresAt } = ticket
  const facts = JSON.stringify(binding === null ? {} : { binding })
  await db.query(insertStatement, [digest, purpose, userId, facts, printTime(expiresAt)])
}

/** A ticket of one user, which belongs to nothing else. */
export type OwnTicket = Readonly<{
  digest: Buffer
  purpose: OwnPurpose
  userId: UserId
  expiresAt: Micros
}>

const hasStatement = {
  name: 'auth_has_ticket',
  text: 'select 1 from auth_ticket where user_id = $1 and purpose = $2 limit 1',
}

/** Keeps a ticket, unless its user, whose row must be locked, has another of its kind. */
export async function insertOnlyTicket(tx: Queryable, ticket: OwnTicket): Promise<void> {
  const { rows } = await tx.query(hasStatement, [ticket.userId, ticket.purpose])
  if (rows.length === 0) await insertTicket(tx, { ...ticket, binding: null })
}

const readStatement = {
  name: 'auth_read_ticket',
  text: `select digest, purpose, user_id as "userId", expires_at as "expiresAt" from auth_ticket
         where digest = $1 and purpose = $2 and user_id is not null and expires_at > $3`,
}

/** The ticket of a user, if it can still be used. */
export async function readTicket(
  db: Queryable,
  ask: Readonly<{ digest: Buffer; purpose: Purpose; now: Micros }>,
): Promise<OwnTicket | null> {
  const values = [ask.digest, ask.purpose, printTime(ask.now)]
  const { rows } = await db.query<OwnTicket>(readStatement, values)
  return rows[0] ?? null
}

const takeStatement = {
  name: 'auth_take_ticket',
  text: `delete from auth_ticket
         where digest = $1 and purpose = $2 and user_id is not distinct from $3
           and facts ->> 'binding' is not distinct from $4 and expires_at > $5`,
}

/**
 * Takes a ticket back. The row's lock makes it happen once, however many ask together; one that was
 * handed out for something else stays, for whom it is.
 *
 * @returns whether it was there.
 */
export async function takeTicket(
  db: Queryable,
  { digest, purpose, userId, binding }: Omit<Ticket, 'expiresAt'>,
  now: Micros,
): Promise<boolean> {
  const values = [digest, purpose, userId, binding, printTime(now)]
  const { rowCount } = await db.query(takeStatement, values)
  return rowCount === 1
}

const deleteStatement = {
  name: 'auth_delete_tickets',
  text: `delete from auth_ticket
         where user_id = $1 and purpose = $2 and ($3::timestamptz is null or expires_at < $3)`,
}

/** Deletes a user's tickets of a kind: all, or those that end before a time. */
export async function deleteTickets(
  db: Queryable,
  ask: Readonly<{ userId: UserId; purpose: OwnPurpose; expireBefore: Micros | null }>,
): Promise<void> {
  const { userId, purpose, expireBefore } = ask
  const before = expireBefore === null ? null : printTime(expireBefore)
  await db.query(deleteStatement, [userId, purpose, before])
}
