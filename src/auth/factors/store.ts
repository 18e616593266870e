import type { Queryable } from '../../db/query.ts'
import type { UserId } from '../../ids/ids.ts'
import type { Sealed } from '../../seal.ts'
import { printTime } from '../../time.ts'
import type { Micros } from '../../time.ts'
import type { SecondFactorsOf } from './second-factors.ts'

const enrolledStatement = {
  name: 'auth_read_factors',
  text: `select exists (select 1 from totp where user_id = $1 and confirmed) as totp,
           (select count(*)::int from passkey where user_id = $1) as passkeys,
           (select count(*)::int from recovery_code where user_id = $1 and used_at is null)
             as "recoveryCodes"`,
}

export async function readFactors(db: Queryable, userId: UserId): Promise<SecondFactorsOf> {
  const { rows } = await db.query<SecondFactorsOf>(enrolledStatement, [userId])
  const [row] = rows
  if (!row) throw new Error('a select without a table returned no row')
  return row
}

const deleteFactorsStatements = ['totp', 'passkey', 'recovery_code'].map((table) => ({
  name: `auth_delete_all_${table}`,
  text: `delete from ${table} where user_id = $1`,
}))

/** Takes all off: apps, passkeys and recovery codes. */
export async function deleteFactors(tx: Queryable, userId: UserId): Promise<void> {
  for (const statement of deleteFactorsStatements) await tx.query(statement, [userId])
}

/** A secret of an authenticator app, and how far it was used. */
export type StoredTotp = Readonly<{ sealed: Sealed; lastStep: bigint; createdAt: Micros }>
type TotpRow = Readonly<{ bytes: Buffer; keyId: string; lastStep: bigint; createdAt: Micros }>

const readTotpStatement = {
  name: 'auth_read_totp',
  text: `select sealed as bytes, seal_key as "keyId", last_step as "lastStep",
           created_at as "createdAt"
         from totp where user_id = $1 and confirmed = $2`,
}

export async function readTotp(
  db: Queryable,
  userId: UserId,
  which: 'confirmed' | 'begun',
): Promise<StoredTotp | null> {
  const { rows } = await db.query<TotpRow>(readTotpStatement, [userId, which === 'confirmed'])
  const [row] = rows
  if (!row) return null
  const { bytes, keyId, lastStep, createdAt } = row
  return { sealed: { bytes, keyId }, lastStep, createdAt }
}

const beginTotpStatement = {
  name: 'auth_begin_totp',
  text: `insert into totp as t (user_id, confirmed, sealed, seal_key, created_at)
         values ($1, false, $2, $3, $4)
         on conflict (user_id, confirmed) do update
         set sealed = excluded.sealed, seal_key = excluded.seal_key, last_step = 0,
             created_at = excluded.created_at`,
}

/** Keeps a secret that is not asked for yet, in the place of one begun before. */
export async function beginTotp(
  tx: Queryable,
  ask: Readonly<{ userId: UserId; sealed: Sealed; now: Micros }>,
): Promise<void> {
  const { bytes, keyId } = ask.sealed
  await tx.query(beginTotpStatement, [ask.userId, bytes, keyId, printTime(ask.now)])
}

const deleteConfirmedStatement = {
  name: 'auth_delete_confirmed_totp',
  text: 'delete from totp where user_id = $1 and confirmed',
}

const confirmTotpStatement = {
  name: 'auth_confirm_totp',
  text: `update totp set confirmed = true, last_step = $2, created_at = $3
         where user_id = $1 and not confirmed`,
}

/** Asks for the secret that was begun from now on, and for the one before it no longer. */
export async function confirmTotp(
  tx: Queryable,
  ask: Readonly<{ userId: UserId; step: bigint; now: Micros }>,
): Promise<void> {
  await tx.query(deleteConfirmedStatement, [ask.userId])
  await tx.query(confirmTotpStatement, [ask.userId, ask.step, printTime(ask.now)])
}

const takeStepStatement = {
  name: 'auth_take_totp_step',
  text: `update totp set last_step = $2
         where user_id = $1 and confirmed and last_step < $2 and created_at = $3`,
}

/**
 * Takes a step of the secret that was read. The row's lock makes it happen once, however many bring
 * the same code together. @returns Whether it was still to be taken.
 */
export async function takeStep(
  db: Queryable,
  ask: Readonly<{ userId: UserId; step: bigint; createdAt: Micros }>,
): Promise<boolean> {
  const values = [ask.userId, ask.step, printTime(ask.createdAt)]
  const { rowCount } = await db.query(takeStepStatement, values)
  return rowCount === 1
}

const deleteTotpStatement = {
  name: 'auth_delete_totp',
  text: 'delete from totp where user_id = $1 returning confirmed',
}

/** Takes the app off, and one that was begun. @returns Whether there was one that was asked for. */
export async function deleteTotp(tx: Queryable, userId: UserId): Promise<boolean> {
  const { rows } = await tx.query<{ confirmed: boolean }>(deleteTotpStatement, [userId])
  return rows.some(({ confirmed }) => confirmed)
}

const deleteCodesStatement = {
  name: 'auth_delete_recovery_codes',
  text: 'delete from recovery_code where user_id = $1',
}

const insertCodesStatement = {
  name: 'auth_insert_recovery_codes',
  text: `insert into recovery_code (user_id, digest, created_at)
         select $1, digest, $3 from unnest($2::bytea[]) as made (digest)`,
}

export async function replaceCodes(
  tx: Queryable,
  ask: Readonly<{ userId: UserId; digests: readonly Buffer[]; now: Micros }>,
): Promise<void> {
  await tx.query(deleteCodesStatement, [ask.userId])
  await tx.query(insertCodesStatement, [ask.userId, ask.digests, printTime(ask.now)])
}

const useCodeStatement = {
  name: 'auth_use_recovery_code',
  text: `update recovery_code set used_at = $3
         where user_id = $1 and digest = $2 and used_at is null`,
}

/** Uses a code up, once however many bring it together. @returns Whether it was this one. */
export async function useUpCode(
  db: Queryable,
  ask: Readonly<{ userId: UserId; digest: Buffer; now: Micros }>,
): Promise<boolean> {
  const values = [ask.userId, ask.digest, printTime(ask.now)]
  const { rowCount } = await db.query(useCodeStatement, values)
  return rowCount === 1
}

const deleteIdleCodesStatement = {
  name: 'auth_delete_idle_recovery_codes',
  text: `delete from recovery_code where user_id = $1
           and not exists (select 1 from totp where user_id = $1 and confirmed)
           and not exists (select 1 from passkey where user_id = $1)`,
}

/** Takes recovery codes off who has nothing left that they could stand in for. */
export async function deleteIdleCodes(tx: Queryable, userId: UserId): Promise<void> {
  await tx.query(deleteIdleCodesStatement, [userId])
}

/** A sealed secret, and whose: a user has two at most. */
export type SealedSecret = Readonly<{ userId: UserId; confirmed: boolean; sealed: Sealed }>
/** Where a batch goes on. */
export type Place = Pick<SealedSecret, 'userId' | 'confirmed'>

/** Secrets after a place, in the order of the primary key, that another key sealed. */
export async function readSealedByOtherKeys(
  db: Queryable,
  ask: Readonly<{ keyId: string; start: Place | null; limit: number }>,
): Promise<readonly SealedSecret[]> {
  const { rows } = await db.query<Place & Readonly<{ bytes: Buffer; keyId: string }>>(
    `select user_id as "userId", confirmed, sealed as bytes, seal_key as "keyId" from totp
     where seal_key <> $1 and ($2::uuid is null or (user_id, confirmed) > ($2, $3::boolean))
     order by user_id, confirmed
     limit $4`,
    [ask.keyId, ask.start?.userId ?? null, ask.start?.confirmed ?? null, ask.limit],
  )
  return rows.map(({ userId, confirmed, bytes, keyId }) => ({
    userId,
    confirmed,
    sealed: { bytes, keyId },
  }))
}

/** Replaces a secret's seal, if it is still the one that was read. @returns Whether it was. */
export async function replaceSeal(
  db: Queryable,
  { userId, sealed }: SealedSecret,
  after: Sealed,
): Promise<boolean> {
  const { rowCount } = await db.query(
    'update totp set sealed = $3, seal_key = $4 where user_id = $1 and sealed = $2',
    [userId, sealed.bytes, after.bytes, after.keyId],
  )
  return rowCount === 1
}
