import type { Queryable } from '../../../db/query.ts'
import type { UserId } from '../../../ids/ids.ts'
import { printTime } from '../../../time.ts'
import type { Micros } from '../../../time.ts'

/** A user's account in the domain. `readyAt` is null as long as it was not enabled by us. */
export type AccountRow = Readonly<{ guid: string; readyAt: Micros | null }>

const readStatement = {
  name: 'auth_read_directory_account',
  text: `select guid, ready_at as "readyAt" from directory_account where user_id = $1`,
}

export async function readAccount(db: Queryable, userId: UserId): Promise<AccountRow | null> {
  const { rows } = await db.query<AccountRow>(readStatement, [userId])
  return rows[0] ?? null
}

const insertStatement = {
  name: 'auth_insert_directory_account',
  text: 'insert into directory_account (user_id, guid, created_at) values ($1, $2, $3)',
}

export async function insertAccount(
  tx: Queryable,
  ask: Readonly<{ userId: UserId; guid: string; now: Micros }>,
): Promise<void> {
  await tx.query(insertStatement, [ask.userId, ask.guid, printTime(ask.now)])
}

const readyStatement = {
  name: 'auth_directory_account_ready',
  text: 'update directory_account set ready_at = $2 where user_id = $1 and ready_at is null',
}

export async function markReady(db: Queryable, userId: UserId, now: Micros): Promise<void> {
  await db.query(readyStatement, [userId, printTime(now)])
}

const knownStatement = {
  name: 'auth_known_directory_accounts',
  text: 'select guid from directory_account where guid = any($1)',
}

/** Those of the accounts that some user has. */
export async function knownAccounts(
  db: Queryable,
  guids: readonly string[],
): Promise<ReadonlySet<string>> {
  const { rows } = await db.query<{ guid: string }>(knownStatement, [guids])
  return new Set(rows.map(({ guid }) => guid))
}
