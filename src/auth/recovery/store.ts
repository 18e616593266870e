import type { Queryable } from '../../db/query.ts'
import type { UserId } from '../../ids/ids.ts'
import { printTime } from '../../time.ts'
import type { Micros } from '../../time.ts'

/** What a ticket is for. */
export type Purpose = 'password-reset' | 'factor-proof'

export type Ticket = Readonly<{
  digest: Buffer
  purpose: Purpose
  userId: UserId
  expiresAt: Micros
}>

const endTicketsStatement = {
  name: 'auth_end_tickets',
  text: 'delete from auth_ticket where user_id = $1 and purpose = $2',
}

export async function endTickets(tx: Queryable, userId: UserId, purpose: Purpose): Promise<void> {
  await tx.query(endTicketsStatement, [userId, purpose])
}

const insertTicketStatement = {
  name: 'auth_insert_recovery_ticket',
  text: `insert into auth_ticket (digest, purpose, user_id, expires_at)
         select $1::bytea, $2::text, $3::uuid, $4::timestamptz
         where not exists (select from auth_ticket where user_id = $3 and purpose = $2)`,
}

/** Keeps a ticket, unless its user has another one. Their row must be locked. */
export async function insertTicket(tx: Queryable, ticket: Ticket): Promise<void> {
  const { digest, purpose, userId, expiresAt } = ticket
  await tx.query(insertTicketStatement, [digest, purpose, userId, printTime(expiresAt)])
}

const readTicketStatement = {
  name: 'auth_read_ticket',
  text: `select digest, purpose, user_id as "userId", expires_at as "expiresAt" from auth_ticket
         where digest = $1 and purpose = $2 and expires_at > $3`,
}

export type TicketAsk = Readonly<{ digest: Buffer; purpose: Purpose; now: Micros }>

/** The ticket, if it can still be used. */
export async function readTicket(db: Queryable, ask: TicketAsk): Promise<Ticket | null> {
  const values = [ask.digest, ask.purpose, printTime(ask.now)]
  const { rows } = await db.query<Ticket>(readTicketStatement, values)
  return rows[0] ?? null
}

const takeTicketStatement = {
  name: 'auth_take_recovery_ticket',
  text: `delete from auth_ticket
         where digest = $1 and purpose = $2 and expires_at > $3 and user_id = $4
         returning digest, purpose, user_id as "userId", expires_at as "expiresAt"`,
}

/** Uses a ticket of the user up: of those who ask at once, one gets it. */
export async function takeTicket(
  tx: Queryable,
  ask: TicketAsk & Readonly<{ userId: UserId }>,
): Promise<Ticket | null> {
  const values = [ask.digest, ask.purpose, printTime(ask.now), ask.userId]
  const { rows } = await tx.query<Ticket>(takeTicketStatement, values)
  return rows[0] ?? null
}

/** From `readyAt` on it can be finished. */
export type StoredReset = Readonly<{ digest: Buffer; askedAt: Micros; readyAt: Micros }>

const resetColumns = 'digest, asked_at as "askedAt", ready_at as "readyAt"'

const insertResetStatement = {
  name: 'auth_insert_factor_reset',
  text: `insert into factor_reset (user_id, digest, asked_at, ready_at) values ($1, $2, $3, $4)`,
}

/** Begins a reset. None may run, and the user's row must be locked. */
export async function insertReset(
  tx: Queryable,
  userId: UserId,
  { digest, askedAt, readyAt }: StoredReset,
): Promise<void> {
  const values = [userId, digest, printTime(askedAt), printTime(readyAt)]
  await tx.query(insertResetStatement, values)
}

const readResetStatement = {
  name: 'auth_read_factor_reset',
  text: `select ${resetColumns} from factor_reset where user_id = $1`,
}

export async function readReset(db: Queryable, userId: UserId): Promise<StoredReset | null> {
  const { rows } = await db.query<StoredReset>(readResetStatement, [userId])
  return rows[0] ?? null
}

const deleteResetStatement = {
  name: 'auth_delete_factor_reset',
  text: 'delete from factor_reset where user_id = $1 and digest = $2',
}

/** Ends a reset. True for one of those who do it at once. */
export async function deleteReset(tx: Queryable, userId: UserId, digest: Buffer): Promise<boolean> {
  const { rowCount } = await tx.query(deleteResetStatement, [userId, digest])
  return rowCount === 1
}
