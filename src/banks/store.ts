import { isUniqueViolation } from '../db/errors.ts'
import type { Queryable } from '../db/query.ts'
import { AppError } from '../errors.ts'
import type { BankAccountId, UserId } from '../ids/ids.ts'
import type { Sealed } from '../seal.ts'
import { type Micros, printTime } from '../time.ts'
import type { BankAccount, BankAccountStatus } from './bank-account.ts'
import type { Owner } from './seal.ts'

/** First half of the advisory lock's key: "bank" in ASCII. The other half is a hash of the user. */
const LINKS_LOCK = 0x62616e6b

const columns = `
  user_id as "userId", bank_account_id as "bankAccountId", bank_name as "bankName",
  bank_phone_number as "bankPhoneNumber", bank_email as "bankEmail",
  routing_number as "routingNumber", account_type as "accountType", last_four as "lastFour",
  status, created_at as "createdAt", disabled_at as "disabledAt"`

export type NewBankAccount = Omit<BankAccount, 'status' | 'disabledAt'> &
  Readonly<{
    sealed: Sealed
    numberDigest: Uint8Array
    microEntries: Sent
    wrongAnswers: WrongAnswers
  }>

/** `of` is the link that micro-entries are sent for; `amounts` are ascending, null until sent. */
export type Sent = Readonly<{ of: BankAccountId; amounts: readonly number[] | null }>

/** Lets one link of a user happen at a time, until the transaction ends. */
export async function lockLinks(tx: Queryable, userId: UserId): Promise<void> {
  await tx.query('select pg_advisory_xact_lock($1::int, hashtext($2))', [LINKS_LOCK, userId])
}

/** How many are linked now, and how many were linked since a time, the unlinked ones too. */
export async function countLinks(
  tx: Queryable,
  userId: UserId,
  since: Micros,
): Promise<{ active: number; recent: number }> {
  const { rows } = await tx.query<{ active: number; recent: number }>(
    `select count(*) filter (where status <> 'disabled')::int as active,
       count(*) filter (where created_at > $2)::int as recent
     from bank_account where user_id = $1`,
    [userId, printTime(since)],
  )
  return only(rows)
}

/** How many different ones there were, and which. */
export type WrongAnswers = Readonly<{ count: number; tried: readonly string[] }>

/** Wrong answers that this user's unlinked links of a number carry on to the next one. */
export async function wrongAnswers(
  tx: Queryable,
  userId: UserId,
  numberDigest: Uint8Array,
  since: Micros,
): Promise<WrongAnswers> {
  const { rows } = await tx.query<WrongAnswers>(
    `select micro_attempts::int as count, micro_tried as tried from bank_account
     where user_id = $1 and number_digest = $2 and status = 'disabled' and disabled_at > $3
     order by micro_attempts desc limit 1`,
    [userId, numberDigest, printTime(since)],
  )
  return rows[0] ?? { count: 0, tried: [] }
}

/** Counts a pair of micro-entries for a number. @returns how many it is now, since `since`. */
export async function countPair(
  tx: Queryable,
  numberDigest: Uint8Array,
  now: Micros,
  since: Micros,
): Promise<number> {
  const { rows } = await tx.query<{ pairs: number }>(
    `insert into bank_number as n (number_digest, began_at, pairs) values ($1, $2, 1)
     on conflict (number_digest) do update
     set began_at = case when n.began_at > $3 then n.began_at else excluded.began_at end,
         pairs = case when n.began_at > $3 then n.pairs + 1 else 1 end
     returning pairs`,
    [numberDigest, printTime(now), printTime(since)],
  )
  return only(rows).pairs
}

/** What this user's latest link of a number after a time was sent; null when there was none. */
export async function sentBefore(
  tx: Queryable,
  userId: UserId,
  numberDigest: Uint8Array,
  since: Micros,
): Promise<Sent | null> {
  const { rows } = await tx.query<Sent>(
    `select bank_account_id as "of", micro_amounts_cents as amounts from bank_account
     where user_id = $1 and number_digest = $2 and created_at > $3
       and micro_entries_of = bank_account_id
     order by created_at desc
     limit 1`,
    [userId, numberDigest, printTime(since)],
  )
  return rows[0] ?? null
}

/** @throws AppError `bank_account_duplicate`. */
export async function insertBankAccount(
  tx: Queryable,
  account: NewBankAccount,
): Promise<BankAccount> {
  const { userId, bankAccountId, bankName, bankPhoneNumber, bankEmail, sealed } = account
  const { routingNumber, accountType, numberDigest, lastFour, microEntries, createdAt } = account
  const values = [userId, bankAccountId, bankName, bankPhoneNumber, bankEmail]
  values.push(routingNumber, accountType)
  const secrets = [sealed.bytes, sealed.keyId, numberDigest, lastFour]
  const { count, tried } = account.wrongAnswers
  const proof = [microEntries.of, microEntries.amounts, count, tried]
  try {
    const { rows } = await tx.query<BankAccount>(
      `insert into bank_account (
         user_id, bank_account_id, bank_name, bank_phone_number, bank_email, routing_number,
         account_type, sealed_number, seal_key, number_digest, last_four, micro_entries_of,
         micro_amounts_cents, micro_attempts, micro_tried, created_at, status)
       values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16,
         'pending_verification')
       returning ${columns}`,
      [...values, ...secrets, ...proof, printTime(createdAt)],
    )
    return only(rows)
  } catch (error) {
    if (!isUniqueViolation(error, 'bank_account_once')) throw error
    throw new AppError('bank_account_duplicate', {}, { cause: error })
  }
}

/** @returns Whether there was one to disable. */
export async function disable(
  tx: Queryable,
  userId: UserId,
  bankAccountId: BankAccountId,
  now: Micros,
): Promise<boolean> {
  const { rowCount } = await tx.query(
    `update bank_account set status = 'disabled', disabled_at = $3
     where user_id = $1 and bank_account_id = $2 and status <> 'disabled'`,
    [userId, bankAccountId, printTime(now)],
  )
  return rowCount === 1
}

export async function readBankAccount(
  db: Queryable,
  userId: UserId,
  bankAccountId: BankAccountId,
): Promise<BankAccount | null> {
  const { rows } = await db.query<BankAccount>(
    `select ${columns} from bank_account where user_id = $1 and bank_account_id = $2`,
    [userId, bankAccountId],
  )
  return rows[0] ?? null
}

export type PageOf = Readonly<{
  start: Micros | null
  end: Micros | null
  before: Readonly<{ createdAt: Micros; bankAccountId: BankAccountId }> | null
  limit: number | null
  which: 'all' | 'active'
}>

/** Newest first. */
export async function readPage(
  db: Queryable,
  userId: UserId,
  { start, end, before, limit, which }: PageOf,
): Promise<BankAccount[]> {
  const bounds = [start, end, before?.createdAt ?? null].map((at) =>
    at === null ? null : printTime(at),
  )
  const { rows } = await db.query<BankAccount>(
    `select ${columns} from bank_account
     where user_id = $1
       and ($2::timestamptz is null or created_at >= $2)
       and ($3::timestamptz is null or created_at < $3)
       and ($4::timestamptz is null or (created_at, bank_account_id) < ($4, $5::uuid))
       and ($6 or status <> 'disabled')
     order by created_at desc, bank_account_id desc
     limit $7`,
    [userId, ...bounds, before?.bankAccountId ?? null, which === 'all', limit],
  )
  return rows
}

/** One statement for each user: Citus locks rows only in a query that names one shard. */
export async function shareLock(tx: Queryable, wanted: readonly Owner[]): Promise<BankAccount[]> {
  const byUser = Map.groupBy(wanted, ({ userId }) => userId)
  const locked = [...byUser.keys()].sort().map(async (userId) => {
    const ids = byUser.get(userId)?.map(({ bankAccountId }) => bankAccountId)
    return await tx.query<BankAccount>(
      `select ${columns} from bank_account
       where user_id = $1 and bank_account_id = any ($2::uuid[])
       order by bank_account_id
       for share`,
      [userId, ids],
    )
  })
  return (await Promise.all(locked)).flatMap(({ rows }) => rows)
}

type SealedRow = Readonly<{ sealKey: string; sealedNumber: Buffer }>

export async function readSealed(db: Queryable, owner: Owner): Promise<Sealed | null> {
  const { rows } = await db.query<SealedRow>(
    `select seal_key as "sealKey", sealed_number as "sealedNumber" from bank_account
     where user_id = $1 and bank_account_id = $2 and sealed_number is not null`,
    [owner.userId, owner.bankAccountId],
  )
  const [row] = rows
  return row ? { keyId: row.sealKey, bytes: row.sealedNumber } : null
}

/** Rows after an owner, in the order of the primary key, whose number another key sealed. */
export async function readSealedByOtherKeys(
  db: Queryable,
  keyId: string,
  start: Owner | null,
  limit: number,
): Promise<{ owner: Owner; sealed: Sealed }[]> {
  const { rows } = await db.query<Owner & SealedRow>(
    `select user_id as "userId", bank_account_id as "bankAccountId",
       seal_key as "sealKey", sealed_number as "sealedNumber"
     from bank_account
     where seal_key <> $1 and sealed_number is not null
       and ($2::uuid is null or (user_id, bank_account_id) > ($2, $3::uuid))
     order by user_id, bank_account_id
     limit $4`,
    [keyId, start?.userId ?? null, start?.bankAccountId ?? null, limit],
  )
  return rows.map(({ userId, bankAccountId, sealKey, sealedNumber }) => ({
    owner: { userId, bankAccountId },
    sealed: { keyId: sealKey, bytes: sealedNumber },
  }))
}

export type Swap = Readonly<{ owner: Owner; before: Sealed; after: Sealed }>

/** Replaces those that still hold what was read. @returns How many did. */
export async function replaceSealed(db: Queryable, swaps: readonly Swap[]): Promise<number> {
  const { rowCount } = await db.query(
    `update bank_account b set sealed_number = s.after, seal_key = s.key
     from unnest($1::uuid[], $2::uuid[], $3::bytea[], $4::bytea[], $5::text[])
       as s (user_id, bank_account_id, before, after, key)
     where b.user_id = s.user_id and b.bank_account_id = s.bank_account_id
       and b.sealed_number = s.before`,
    [
      swaps.map(({ owner }) => owner.userId),
      swaps.map(({ owner }) => owner.bankAccountId),
      swaps.map(({ before }) => before.bytes),
      swaps.map(({ after }) => after.bytes),
      swaps.map(({ after }) => after.keyId),
    ],
  )
  return rowCount ?? 0
}

export async function eraseNumbers(db: Queryable, until: Micros, limit: number): Promise<number> {
  const { rows } = await db.query<Owner>(
    `select user_id as "userId", bank_account_id as "bankAccountId" from bank_account
     where status = 'disabled' and sealed_number is not null and disabled_at < $1
     order by disabled_at
     limit $2`,
    [printTime(until), limit],
  )
  if (rows.length === 0) return 0
  const { rowCount } = await db.query(
    `update bank_account b set sealed_number = null
     from unnest($1::uuid[], $2::uuid[]) as s (user_id, bank_account_id)
     where b.user_id = s.user_id and b.bank_account_id = s.bank_account_id
       and b.status = 'disabled'`,
    [rows.map(({ userId }) => userId), rows.map(({ bankAccountId }) => bankAccountId)],
  )
  return rowCount ?? 0
}

/** For a link and the later ones that wait for its amounts. @returns Whether there were any. */
export async function writeMicroEntries(
  tx: Queryable,
  userId: UserId,
  bankAccountId: BankAccountId,
  ascending: readonly [number, number],
): Promise<boolean> {
  const { rowCount } = await tx.query(
    `update bank_account set micro_amounts_cents = $3
     where user_id = $1 and micro_entries_of = $2 and micro_amounts_cents is null`,
    [userId, bankAccountId, ascending],
  )
  return rowCount !== 0
}

export type MicroEntries = Readonly<{
  status: BankAccountStatus
  amounts: readonly number[] | null
  wrongAnswers: number
}>

export async function readMicroEntries(
  db: Queryable,
  userId: UserId,
  bankAccountId: BankAccountId,
): Promise<MicroEntries | null> {
  const { rows } = await db.query<MicroEntries>(
    `select status, micro_amounts_cents as amounts, micro_attempts::int as "wrongAnswers"
     from bank_account where user_id = $1 and bank_account_id = $2`,
    [userId, bankAccountId],
  )
  return rows[0] ?? null
}

/**
 * Takes an answer, right or wrong, if one may be given; `null` when none may. A right answer sets
 * the wrong ones before it to nothing, so that linking again later starts afresh. A wrong one
 * counts once, however often it comes.
 */
export async function answerMicroEntries(
  db: Queryable,
  userId: UserId,
  bankAccountId: BankAccountId,
  ascending: readonly [number, number],
  wrongAnswersMax: number,
): Promise<{ bankAccount: BankAccount; wrongAnswers: number } | null> {
  const { rows } = await db.query<BankAccount & { wrongAnswers: number }>(
    `update bank_account set
       status = case when micro_amounts_cents = $3::int[] then 'verified' else status end,
       micro_attempts = case when micro_amounts_cents = $3::int[] then 0
                             when $5 = any(micro_tried) then micro_attempts
                             else micro_attempts + 1 end,
       micro_tried = case when micro_amounts_cents = $3::int[] then '{}'
                          when $5 = any(micro_tried) then micro_tried
                          else micro_tried || $5::text end
     where user_id = $1 and bank_account_id = $2 and status = 'pending_verification'
       and micro_amounts_cents is not null and micro_attempts < $4
     returning ${columns}, micro_attempts::int as "wrongAnswers"`,
    [userId, bankAccountId, ascending, wrongAnswersMax, ascending.join()],
  )
  if (!rows[0]) return null
  const { wrongAnswers, ...bankAccount } = rows[0]
  return { bankAccount, wrongAnswers }
}

function only<R>([row]: readonly R[]): R {
  if (!row) throw new Error('the insert returned no row')
  return row
}
