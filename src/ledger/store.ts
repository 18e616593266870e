import {
  bigintArray,
  booleanArray,
  smallintArray,
  textArray,
  timeArray,
  uuidArray,
} from '../db/arrays.ts'
import { countedAsWrite } from '../db/citus/commit.ts'
import type { Queryable, Session, Statement } from '../db/query.ts'
import type { TransactionId } from '../ids/ids.ts'
import { printTime } from '../time.ts'
import type { Micros } from '../time.ts'
import { entryKinds } from './account.ts'
import type { Account, AccountId, Accounts, Entry } from './account.ts'

const accountColumns =
  'account_id as id, floor, state, version, balance, held, sent, withdrawn, sending, withdrawing, at'

const lock = `select ${accountColumns} from account
         where account_id = any($1::uuid[]) order by account_id for update`

const lockStatement = {
  name: 'ledger_lock',
  text: lock,
  spread: `${countedAsWrite('account', 'account_id = any($1::uuid[])', 'version')} ${lock}`,
}

/**
 * Locks accounts in one order, so that no two batches ever wait in a circle: shard by shard, and
 * there in the order of their ids.
 */
export async function lockAccounts(tx: Session, ids: readonly AccountId[]): Promise<Accounts> {
  return await lockBy(lockStatement, tx, ids)
}

const waitStatement = { name: 'ledger_wait', text: lock }

/** The same for who only wants to see what was being written: on Citus nothing is prepared. */
export async function waitForAccounts(tx: Session, ids: readonly AccountId[]): Promise<void> {
  await lockBy(waitStatement, tx, ids)
}

async function lockBy(
  statement: Statement,
  tx: Session,
  ids: readonly AccountId[],
): Promise<Accounts> {
  const pieces = tx.byShard(ids, (id) => id)
  const locked = pieces.map(async (piece) => await tx.query<Account>(statement, [uuidArray(piece)]))
  const rows = (await Promise.all(locked)).flatMap((answer) => answer.rows)
  return new Map(rows.map((row) => [row.id, row]))
}

const readStatement = {
  name: 'ledger_read',
  text: `select ${accountColumns} from account where account_id = any($1::uuid[])`,
}

/** Accounts as last committed, without a lock: to show, never to decide. */
export async function readAccounts(db: Queryable, ids: readonly AccountId[]): Promise<Accounts> {
  const { rows } = await db.query<Account>(readStatement, [uuidArray(ids)])
  return new Map(rows.map((row) => [row.id, row]))
}

const lockFreeStatement = {
  name: 'ledger_lock_free',
  text: `select account_id as id from account
         where account_id = any($1::uuid[]) for update skip locked`,
}

/**
 * Those of the accounts that another session has locked at this moment. Waits for nobody, and keeps
 * no lock: it runs outside of a transaction.
 */
export async function lockedElsewhere(
  db: Session,
  ids: readonly AccountId[],
): Promise<readonly AccountId[]> {
  const pieces = db.byShard(ids, (id) => id)
  const [there, ...locked] = await Promise.all([
    readAccounts(db, ids),
    ...pieces.map(
      async (piece) => await db.query<Pick<Account, 'id'>>(lockFreeStatement, [uuidArray(piece)]),
    ),
  ])
  const free = new Set(locked.flatMap(({ rows }) => rows.map(({ id }) => id)))
  return [...there.keys()].filter((id) => !free.has(id))
}

/**
 * Fails when a version is not the one that was read: see `disagreementIn`. Arrays are unnested side
 * by side in the select list: in the from list each is first materialized.
 */
const writeAccountsStatement = {
  name: 'ledger_write_accounts',
  text: `update account a
         set version = case when a.version = n.read_version then n.version else
               ('books disagree: an account changed under its lock: '
                || a.account_id::text)::bigint end,
             balance = n.balance, held = n.held, sent = n.sent, withdrawn = n.withdrawn,
             sending = n.sending, withdrawing = n.withdrawing, at = n.at
         from (
           select unnest($1::uuid[]) as account_id, unnest($2::bigint[]) as read_version,
                  unnest($3::bigint[]) as version, unnest($4::bigint[]) as balance,
                  unnest($5::bigint[]) as held, unnest($6::bigint[]) as sent,
                  unnest($7::bigint[]) as withdrawn, unnest($8::bigint[]) as sending,
                  unnest($9::bigint[]) as withdrawing, unnest($10::timestamptz[]) as at
         ) n
         where a.account_id = n.account_id and a.account_id = any($1::uuid[])`,
}

/** Writes accounts that were read, and locked, as they are in `before`. */
export async function writeAccounts(
  tx: Session,
  before: Accounts,
  changed: readonly Account[],
): Promise<void> {
  const pieces = tx.byShard(changed, ({ id }) => id)
  await Promise.all(pieces.map(async (piece) => await writePiece(tx, before, piece)))
}

async function writePiece(
  tx: Queryable,
  before: Accounts,
  changed: readonly Account[],
): Promise<void> {
  await tx.query(writeAccountsStatement, [
    uuidArray(changed.map(({ id }) => id)),
    bigintArray(changed.map(({ id }) => before.get(id)?.version ?? -1n)),
    bigintArray(changed.map(({ version }) => version)),
    bigintArray(changed.map(({ balance }) => balance)),
    bigintArray(changed.map(({ held }) => held)),
    bigintArray(changed.map(({ sent }) => sent)),
    bigintArray(changed.map(({ withdrawn }) => withdrawn)),
    bigintArray(changed.map(({ sending }) => sending)),
    bigintArray(changed.map(({ withdrawing }) => withdrawing)),
    timeArray(changed.map(({ at }) => at)),
  ])
}

const appendStatement = {
  name: 'ledger_append',
  text: `insert into entry (account_id, version, transaction_id, at, amount, balance, held, sent,
                            withdrawn, other_id, kind, opens, note)
         select unnest($1::uuid[]), unnest($2::bigint[]), unnest($3::uuid[]),
                unnest($4::timestamptz[]), unnest($5::bigint[]), unnest($6::bigint[]),
                unnest($7::bigint[]), unnest($8::bigint[]), unnest($9::bigint[]),
                unnest($10::uuid[]), unnest($11::smallint[]), unnest($12::boolean[]),
                unnest($13::text[])`,
}

export async function appendEntries(tx: Queryable, entries: readonly Entry[]): Promise<void> {
  await tx.query(appendStatement, [
    uuidArray(entries.map(({ account }) => account)),
    bigintArray(entries.map(({ version }) => version)),
    uuidArray(entries.map(({ transaction }) => transaction)),
    timeArray(entries.map(({ at }) => at)),
    bigintArray(entries.map(({ amount }) => amount)),
    bigintArray(entries.map(({ balance }) => balance)),
    bigintArray(entries.map(({ held }) => held)),
    bigintArray(entries.map(({ sent }) => sent)),
    bigintArray(entries.map(({ withdrawn }) => withdrawn)),
    uuidArray(entries.map(({ other }) => other)),
    smallintArray(entries.map(({ kind }) => entryKinds[kind])),
    booleanArray(entries.map(({ opens }) => opens)),
    textArray(entries.map(({ note }) => note)),
  ])
}

const hasEntryStatement = {
  name: 'ledger_has_entry',
  text: `select 1 from entry where account_id = $1 and version = $2 and transaction_id = $3`,
}

export async function hasEntry(db: Queryable, entry: Entry): Promise<boolean> {
  const { account, version, transaction } = entry
  const { rows } = await db.query(hasEntryStatement, [account, version, transaction])
  return rows.length === 1
}

const openStatement = {
  name: 'ledger_open',
  text: `insert into account (account_id, floor, at)
         select account_id, floor, $3::timestamptz
         from unnest($1::uuid[], $2::text[]) as n (account_id, floor)
         on conflict (account_id) do nothing`,
}

/** Opens accounts at zero. One that is open already stays as it is. */
export async function openAccounts(
  tx: Queryable,
  accounts: readonly Pick<Account, 'id' | 'floor'>[],
  now: Micros,
): Promise<void> {
  const ids = uuidArray(accounts.map(({ id }) => id))
  await tx.query(openStatement, [
    ids,
    textArray(accounts.map(({ floor }) => floor)),
    printTime(now),
  ])
}

const stateStatement = {
  name: 'ledger_set_state',
  text: `update account set state = $2 where account_id = $1`,
}

/**
 * Blocks, closes or opens an account. It holds for every batch that locks the account after this.
 */
export async function setAccountState(
  tx: Queryable,
  id: AccountId,
  state: Account['state'],
): Promise<void> {
  await tx.query(stateStatement, [id, state])
}

/** A row of a user's history, as its own chain tells it. */
export type HistoryEntry = Readonly<{
  version: bigint
  transactionId: TransactionId
  at: Micros
  amount: bigint
  otherId: AccountId
  kind: number
  note: string | null
}>

const historyStatement = {
  name: 'ledger_history',
  text: `select version, transaction_id as "transactionId", at, amount, other_id as "otherId", kind,
                note
         from entry
         where account_id = $1 and version >= $2 and version < $3 and opens
         order by version desc limit $4`,
}

/** An account's transactions from `from` up to, not including, `below`: newest first, one scan. */
export async function readHistory(
  db: Queryable,
  account: AccountId,
  span: Readonly<{ from: bigint; below: bigint; limit: number }>,
): Promise<readonly HistoryEntry[]> {
  const values = [account, span.from, span.below, span.limit]
  return (await db.query<HistoryEntry>(historyStatement, values)).rows
}

/**
 * Versions and times rise together, so the key of the chain finds a time as well: halve the span
 * until one version is left. Twenty probes for a million entries, and no second index to feed.
 */
const versionAtStatement = {
  name: 'ledger_version_at',
  text: `with recursive probe (low, high) as (
           select 0::bigint, (select version + 1 from account where account_id = $1)
           union all
           select case when e.at < $2::timestamptz then (low + high) / 2 else low end,
                  case when e.at < $2::timestamptz then high else (low + high) / 2 end
           from probe
           cross join lateral (
             select at from entry where account_id = $1 and version = (low + high) / 2 limit 1
           ) e
           where high - low > 1
         )
         select high from probe where high - low <= 1`,
}

/** The first version at or after a time; one past the last when there is none. */
export async function versionAt(db: Queryable, account: AccountId, at: Micros): Promise<bigint> {
  const { rows } = await db.query<{ high: bigint }>(versionAtStatement, [account, printTime(at)])
  const found = rows[0]?.high
  if (found === undefined) throw new Error('the chain of entries has a gap')
  return found
}

/** The running totals that an entry carries. */
export type Totals = Readonly<{ version: bigint; at: Micros; sent: bigint; withdrawn: bigint }>

const totalsStatement = {
  name: 'ledger_totals',
  text: `select version, at, sent, withdrawn from entry
         where account_id = $1 and version >= $2 order by version limit $3`,
}

export async function readTotals(
  db: Queryable,
  account: AccountId,
  from: bigint,
  limit: number,
): Promise<readonly Totals[]> {
  return (await db.query<Totals>(totalsStatement, [account, from, limit])).rows
}
