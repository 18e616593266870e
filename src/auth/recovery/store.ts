import type { Queryable } from '../../db/query.ts'
import type { UserId } from '../../ids/ids.ts'
import { printTime } from '../../time.ts'
import type { Micros } from '../../time.ts'

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
