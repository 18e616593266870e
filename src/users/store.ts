import { textArray, uuidArray } from '../db/arrays.ts'
import { countedAsWrite } from '../db/citus/commit.ts'
import { untilShown } from '../db/citus/shown.ts'
import type { Queryable } from '../db/query.ts'
import type { UserId } from '../ids/ids.ts'
import { printTime } from '../time.ts'
import type { Micros } from '../time.ts'
import type { Channel, User, UserStatus } from './user.ts'

const userColumns = `user_id as "userId", handle, display_name as "displayName", email,
  phone_number as "phoneNumber", debit_card_id as "debitCardId", status,
  email_verified_at as "emailVerifiedAt", email_before as "emailBefore",
  phone_verified_at as "phoneVerifiedAt", created_at as "createdAt"`

const readStatement = {
  name: 'users_read',
  text: `select ${userColumns} from app_user where user_id = $1`,
}

export async function readUser(db: Queryable, userId: UserId): Promise<User | null> {
  const { rows } = await db.query<User>(readStatement, [userId])
  return rows[0] ?? null
}

const readManyStatement = {
  name: 'users_read_many',
  text: `select ${userColumns} from app_user where user_id = any($1::uuid[])`,
}

export async function readUsers(db: Queryable, ids: readonly UserId[]): Promise<readonly User[]> {
  const { rows } = await db.query<User>(readManyStatement, [uuidArray(ids)])
  return rows
}

const lock = `select ${userColumns} from app_user where user_id = $1 for update`

const lockStatement = {
  name: 'users_lock',
  text: lock,
  spread: `${countedAsWrite('app_user', 'user_id = $1', 'view_version')} ${lock}`,
}

export async function lockUser(tx: Queryable, userId: UserId): Promise<User | null> {
  const { rows } = await tx.query<User>(lockStatement, [userId])
  return rows[0] ?? null
}

const insertStatement = {
  name: 'users_insert',
  text: `insert into app_user (user_id, handle, display_name, email, phone_number, created_at)
         values ($1, $2, $3, $4, $5, $6)`,
}

/** Writes a user as they are at the start: active, nothing verified, no card. */
export async function insertUser(tx: Queryable, user: User): Promise<void> {
  const { userId, handle, displayName, email, phoneNumber, createdAt } = user
  const values = [userId, handle, displayName, email, phoneNumber, printTime(createdAt)]
  await tx.query(insertStatement, values)
}

const updateStatement = {
  name: 'users_update',
  text: `update app_user
         set handle = $2, display_name = $3, email = $4, phone_number = $5, debit_card_id = $6,
             email_verified_at = $7, phone_verified_at = $8, email_before = $9
         where user_id = $1`,
}

/** Writes what the user may change; the row must be locked. */
export async function updateProfile(tx: Queryable, user: User): Promise<void> {
  const { userId, handle, displayName, email, phoneNumber, debitCardId } = user
  const verified = [user.emailVerifiedAt, user.phoneVerifiedAt]
  const times = verified.map((at) => (at === null ? null : printTime(at)))
  const values = [userId, handle, displayName, email, phoneNumber, debitCardId, ...times]
  await tx.query(updateStatement, [...values, user.emailBefore])
}

const statusStatement = {
  name: 'users_set_status',
  text: `update app_user set status = $2 where user_id = $1`,
}

export async function updateStatus(
  tx: Queryable,
  userId: UserId,
  status: UserStatus,
): Promise<void> {
  await tx.query(statusStatement, [userId, status])
}

const raiseViewStatement = {
  name: 'users_raise_view',
  text: `update app_user set view_version = view_version + 1 where user_id = $1
         returning view_version as view`,
}

/** The version of what a user sees of themselves, one higher; null for nobody. */
export async function raiseView(tx: Queryable, userId: UserId): Promise<bigint | null> {
  return (await tx.query<{ view: bigint }>(raiseViewStatement, [userId])).rows[0]?.view ?? null
}

const loginStatement = {
  name: 'users_by_login',
  text: 'select user_id as "userId" from login_name where value = $1',
}

export async function readLogin(db: Queryable, form: string): Promise<UserId | null> {
  const { rows } = await db.query<{ userId: UserId }>(loginStatement, [form])
  return rows[0]?.userId ?? null
}

const claimStatement = {
  name: 'users_claim_names',
  text: `insert into login_name (value, user_id)
         select value, $2::uuid from unnest($1::text[]) as wanted (value)
         on conflict (value) do nothing
         returning value`,
}

/**
 * Takes names for a user, in the order given, and gives back those that were free. It waits for
 * who took one and has not committed, so everyone must come in one order: e-mail address, phone
 * number, handle.
 */
export async function claimNames(
  tx: Queryable,
  userId: UserId,
  names: readonly string[],
): Promise<ReadonlySet<string>> {
  const values = [textArray(names), userId]
  const { rows } = await tx.query<{ value: string }>(claimStatement, values)
  return new Set(rows.map(({ value }) => value))
}

const releaseStatement = {
  name: 'users_release_names',
  text: 'delete from login_name where value = any($1::text[]) and user_id = $2',
}

/**
 * Gives up names of a user whose row is locked. One that they took with their change before, on
 * another worker than theirs, may not be to be seen yet: left behind, nobody could have it again.
 */
export async function releaseNames(
  tx: Queryable,
  userId: UserId,
  names: readonly string[],
): Promise<void> {
  const values = [textArray(names), userId]
  const { rowCount: gone } = await tx.query(releaseStatement, values)
  if (gone === names.length) return
  await untilShown(tx)
  const { rowCount: more } = await tx.query(releaseStatement, values)
  if ((gone ?? 0) + (more ?? 0) !== names.length) throw new Error('a user has lost a name')
}

export type ContactCode = Readonly<{
  userId: UserId
  channel: Channel
  recipient: string
  digest: Buffer
  expiresAt: Micros
}>

const replaceCodeStatement = {
  name: 'users_replace_code',
  text: `insert into contact_code (user_id, channel, recipient, digest, expires_at, day_began_at,
           codes_today, attempts_today)
         values ($1, $2, $3, $4, $5, $6, $7, $8)
         on conflict (user_id, channel) do update
         set recipient = excluded.recipient, digest = excluded.digest, attempts = 0, tried = '{}',
             expires_at = excluded.expires_at, day_began_at = excluded.day_began_at,
             codes_today = excluded.codes_today, attempts_today = excluded.attempts_today`,
}

/** Puts a code in the place of the one before, which must be locked since the day was read. */
export async function replaceCode(tx: Queryable, code: ContactCode, day: Day): Promise<void> {
  const { userId, channel, recipient, digest, expiresAt } = code
  const values = [userId, channel, recipient, digest, printTime(expiresAt)]
  const counts = [printTime(day.beganAt), day.codes, day.attempts]
  await tx.query(replaceCodeStatement, [...values, ...counts])
}

/** What was sent and tried since a day of 24 hours began, with its first code. */
export type Day = Readonly<{ beganAt: Micros; codes: number; attempts: number }>

const lockCodeStatement = {
  name: 'users_lock_code',
  text: `select expires_at as "expiresAt", day_began_at as "beganAt", codes_today::int as codes,
           attempts_today::int as attempts
         from contact_code
         where user_id = $1 and channel = $2
         for update`,
}

/** The latest code's end and day, locked against attempts meanwhile. */
export async function lockCode(
  tx: Queryable,
  userId: UserId,
  channel: Channel,
): Promise<(Day & Readonly<{ expiresAt: Micros }>) | null> {
  type Row = Day & Readonly<{ expiresAt: Micros }>
  const { rows } = await tx.query<Row>(lockCodeStatement, [userId, channel])
  return rows[0] ?? null
}

const readCodeStatement = {
  name: 'users_read_code',
  text: `select digest, expires_at as "expiresAt" from contact_code
         where user_id = $1 and channel = $2`,
}

/** The latest code, used or not. */
export async function readCode(
  db: Queryable,
  userId: UserId,
  channel: Channel,
): Promise<Pick<ContactCode, 'digest' | 'expiresAt'> | null> {
  type Row = Pick<ContactCode, 'digest' | 'expiresAt'>
  const { rows } = await db.query<Row>(readCodeStatement, [userId, channel])
  return rows[0] ?? null
}

const countAttemptStatement = {
  name: 'users_count_attempt',
  text: `update contact_code
         set attempts = attempts + ($6 <> all(tried))::int,
             attempts_today = attempts_today + ($6 <> all(tried))::int,
             tried = case when $6 = any(tried) then tried else tried || $6 end
         where user_id = $1 and channel = $2 and expires_at > $5
           and ($6 = any(tried) or (attempts < $3 and attempts_today < $4))
         returning recipient, digest, least($3 - attempts, $4 - attempts_today)::int as left`,
}

/** `left` is how many more may be made at this code. */
export type Attempt = Readonly<{ recipient: string; digest: Buffer; left: number }>

/**
 * Counts an attempt, once for all that try the same, and gives what to compare with; `null` without
 * a code or attempts left.
 */
export async function countAttempt(
  db: Queryable,
  ask: Readonly<{
    userId: UserId
    channel: Channel
    /** The digest of what is tried. */
    tried: Buffer
    most: number
    mostToday: number
    now: Micros
  }>,
): Promise<Attempt | null> {
  const { userId, channel, tried, most, mostToday, now } = ask
  const values = [userId, channel, most, mostToday, printTime(now), tried]
  const { rows } = await db.query<Attempt>(countAttemptStatement, values)
  return rows[0] ?? null
}

const verifyStatements = {
  email: {
    name: 'users_verify_email',
    text: `update app_user set email_verified_at = coalesce(email_verified_at, $3)
           where user_id = $1 and email = $2 returning ${userColumns}`,
  },
  phone: {
    name: 'users_verify_phone',
    text: `update app_user set phone_verified_at = coalesce(phone_verified_at, $3)
           where user_id = $1 and phone_number = $2 returning ${userColumns}`,
  },
} as const

/** Marks the contact as proven, if it still is the user's; else gives `null`. */
export async function markVerified(
  db: Queryable,
  ask: Readonly<{ userId: UserId; channel: Channel; recipient: string; now: Micros }>,
): Promise<User | null> {
  const values = [ask.userId, ask.recipient, printTime(ask.now)]
  const { rows } = await db.query<User>(verifyStatements[ask.channel], values)
  return rows[0] ?? null
}

const endCodeStatement = {
  name: 'users_end_code',
  text: `update contact_code set expires_at = $4
         where user_id = $1 and channel = $2 and digest = $3`,
}

/** Ends a code that was used. Its row stays, for what it counts. */
export async function endCode(
  db: Queryable,
  ask: Readonly<{ userId: UserId; channel: Channel; digest: Buffer; now: Micros }>,
): Promise<void> {
  await db.query(endCodeStatement, [ask.userId, ask.channel, ask.digest, printTime(ask.now)])
}

/** Somebody whom an outside issuer knows by a subject that is theirs for ever. */
export type Identity = Readonly<{ issuer: string; subject: string }>

const readIdentityStatement = {
  name: 'users_read_identity',
  text: 'select user_id as "userId" from identity where subject = $1 and issuer = $2',
}

export async function readIdentity(db: Queryable, identity: Identity): Promise<UserId | null> {
  const values = [identity.subject, identity.issuer]
  const { rows } = await db.query<{ userId: UserId }>(readIdentityStatement, values)
  return rows[0]?.userId ?? null
}

const claimIdentityStatement = {
  name: 'users_claim_identity',
  text: `insert into identity (subject, issuer, user_id, created_at) values ($1, $2, $3, $4)
         on conflict (subject, issuer) do nothing`,
}

/**
 * Makes an identity this user's, unless it is somebody's. It waits for who claims it at the same
 * time. @returns whether it is theirs now.
 */
export async function claimIdentity(
  tx: Queryable,
  identity: Identity,
  userId: UserId,
  now: Micros,
): Promise<boolean> {
  const values = [identity.subject, identity.issuer, userId, printTime(now)]
  return (await tx.query(claimIdentityStatement, values)).rowCount === 1
}
