import { textArray } from '../../../db/arrays.ts'
import { isUniqueViolation } from '../../../db/errors.ts'
import type { Queryable } from '../../../db/query.ts'
import { AppError } from '../../../errors.ts'
import type { UserId } from '../../../ids/ids.ts'
import { printTime } from '../../../time.ts'
import type { Micros } from '../../../time.ts'

/** What its owner sees of a passkey. `credentialId` is base64url. */
export type Passkey = Readonly<{
  credentialId: string
  name: string
  /** Synced to its owner's other devices. */
  backedUp: boolean
  createdAt: Micros
  usedAt: Micros | null
}>

/** What checks it. `counter` stays 0 where the authenticator does not count. */
export type StoredPasskey = Passkey &
  Readonly<{ publicKey: Buffer; counter: bigint; transports: readonly string[] }>

const columns = `credential_id as "credentialId", name, backed_up as "backedUp",
  created_at as "createdAt", used_at as "usedAt", public_key as "publicKey", counter, transports`

const readPasskeysStatement = {
  name: 'auth_read_passkeys',
  text: `select ${columns} from passkey where user_id = $1 order by created_at, credential_id`,
}

/** Oldest first. */
export async function readPasskeys(
  db: Queryable,
  userId: UserId,
): Promise<readonly StoredPasskey[]> {
  const { rows } = await db.query<StoredPasskey>(readPasskeysStatement, [userId])
  return rows
}

const readPasskeyStatement = {
  name: 'auth_read_passkey',
  text: `select ${columns} from passkey where user_id = $1 and credential_id = $2`,
}

export async function readPasskey(
  db: Queryable,
  userId: UserId,
  credentialId: string,
): Promise<StoredPasskey | null> {
  const { rows } = await db.query<StoredPasskey>(readPasskeyStatement, [userId, credentialId])
  return rows[0] ?? null
}

const countStatement = {
  name: 'auth_count_passkeys',
  text: 'select count(*)::int as count from passkey where user_id = $1',
}

export async function countPasskeys(db: Queryable, userId: UserId): Promise<number> {
  const { rows } = await db.query<{ count: number }>(countStatement, [userId])
  return rows[0]?.count ?? 0
}

const insertPasskeyStatement = {
  name: 'auth_insert_passkey',
  text: `insert into passkey (user_id, credential_id, public_key, counter, transports, backed_up,
           name, created_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8)`,
}

/** @throws AppError `passkey_refused` when the user has it already. */
export async function insertPasskey(
  tx: Queryable,
  userId: UserId,
  passkey: StoredPasskey,
): Promise<void> {
  const { credentialId, publicKey, counter, transports, backedUp, name, createdAt } = passkey
  const key = [credentialId, publicKey, counter, textArray(transports)]
  try {
    const values = [userId, ...key, backedUp, name, printTime(createdAt)]
    await tx.query(insertPasskeyStatement, values)
  } catch (error) {
    if (!isUniqueViolation(error, 'passkey_pkey')) throw error
    throw new AppError('passkey_refused', {}, { cause: error })
  }
}

const noteUseStatement = {
  name: 'auth_note_passkey_use',
  text: `update passkey set counter = $3, backed_up = $4, used_at = $5
         where user_id = $1 and credential_id = $2
           and ($3::bigint > counter or (counter = 0 and $3 = 0))`,
}

/**
 * Notes a use, if the counter went forward since the one before; two copies of an authenticator
 * cannot both do that. @returns Whether it did.
 */
export async function noteUse(
  db: Queryable,
  ask: Readonly<{
    userId: UserId
    credentialId: string
    counter: number
    backedUp: boolean
    now: Micros
  }>,
): Promise<boolean> {
  const { userId, credentialId, counter, backedUp, now } = ask
  const values = [userId, credentialId, counter, backedUp, printTime(now)]
  const { rowCount } = await db.query(noteUseStatement, values)
  return rowCount === 1
}

const renameStatement = {
  name: 'auth_rename_passkey',
  text: 'update passkey set name = $3 where user_id = $1 and credential_id = $2',
}

/** @returns Whether there is one. */
export async function renamePasskey(
  db: Queryable,
  ask: Readonly<{ userId: UserId; credentialId: string; name: string }>,
): Promise<boolean> {
  const { rowCount } = await db.query(renameStatement, [ask.userId, ask.credentialId, ask.name])
  return rowCount === 1
}

const deletePasskeyStatement = {
  name: 'auth_delete_passkey',
  text: 'delete from passkey where user_id = $1 and credential_id = $2',
}

/** @returns Whether there was one. */
export async function deletePasskey(
  tx: Queryable,
  userId: UserId,
  credentialId: string,
): Promise<boolean> {
  const { rowCount } = await tx.query(deletePasskeyStatement, [userId, credentialId])
  return rowCount === 1
}
