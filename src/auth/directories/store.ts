import type { Queryable } from '../../db/query.ts'
import type { UserId } from '../../ids/ids.ts'
import type { StaffRole } from '../../scopes.ts'
import { printTime } from '../../time.ts'
import type { Micros } from '../../time.ts'

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

const readRolesStatement = {
  name: 'auth_read_roles',
  text: 'select role from user_role where user_id = $1 order by role',
}

/** What the built-in directory says that somebody is. */
export async function readRoles(db: Queryable, userId: UserId): Promise<readonly StaffRole[]> {
  const { rows } = await db.query<{ role: StaffRole }>(readRolesStatement, [userId])
  return rows.map(({ role }) => role)
}

const writeRoleStatement = {
  name: 'auth_write_role',
  text: `with gone as (
           delete from user_role where user_id = $1 and role is distinct from $2 returning role),
         come as (
           insert into user_role (user_id, role, created_at)
           select $1, $2::text, $3 where $2::text is not null
           on conflict (user_id, role) do nothing
           returning role)
         select role from gone union all select role from come`,
}

/** Gives a user that role in the place of any other; `null` takes it away. False: no change. */
export async function writeRole(
  db: Queryable,
  ask: Readonly<{ userId: UserId; role: StaffRole | null; now: Micros }>,
): Promise<boolean> {
  const values = [ask.userId, ask.role, printTime(ask.now)]
  const { rows } = await db.query(writeRoleStatement, values)
  return rows.length > 0
}
