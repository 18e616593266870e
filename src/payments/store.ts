import { bigintArray, smallintArray, textArray, timeArray, uuidArray } from '../db/arrays.ts'
import type { Queryable } from '../db/query.ts'
import type { TransactionId, UserId } from '../ids/ids.ts'
import { entryKinds } from '../ledger/account.ts'
import { printTime } from '../time.ts'
import type { Micros } from '../time.ts'
import type { Begin, CodeRecord, Next, StoredTransaction } from './ride/passenger.ts'
import { states } from './rules/state.ts'
import type { State } from './rules/state.ts'

const transactionColumns = `transaction_id as "transactionId", payer_id as "payerId",
  payee_id as "payeeId", bank_account_id as "bankAccountId", kind, amount, status,
  decline_reason as "declineReason", note, created_at as "createdAt", posted_at as "postedAt",
  until`

/** A new transaction as it was decided. */
export type NewTransaction = Readonly<{
  begin: Begin
  state: State
  declineReason: string | null
  at: Micros
}>

const insertTransactionsStatement = {
  name: 'payments_insert_transactions',
  text: `insert into transaction (transaction_id, payer_id, payee_id, bank_account_id, kind, amount,
                                  status, decline_reason, note, created_at, posted_at, until)
         select transaction_id, payer_id, payee_id, bank_account_id, kind, amount, status,
                decline_reason, note, at, at, until
         from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::smallint[], $6::bigint[],
                     $7::smallint[], $8::text[], $9::text[], $10::timestamptz[],
                     $11::timestamptz[])
           as n (transaction_id, payer_id, payee_id, bank_account_id, kind, amount, status,
                 decline_reason, note, at, until)`,
}

export async function insertTransactions(
  tx: Queryable,
  rows: readonly NewTransaction[],
): Promise<void> {
  const terms = rows.map(({ begin }) => begin.terms)
  await tx.query(insertTransactionsStatement, [
    uuidArray(terms.map(({ transaction }) => transaction)),
    uuidArray(terms.map(({ payer }) => payer)),
    uuidArray(terms.map(({ payee }) => payee)),
    uuidArray(rows.map(({ begin }) => begin.bankAccount)),
    smallintArray(terms.map(({ kind }) => entryKinds[kind])),
    bigintArray(terms.map(({ amount }) => amount)),
    smallintArray(rows.map(({ state }) => states[state])),
    textArray(rows.map(({ declineReason }) => declineReason)),
    textArray(terms.map(({ note }) => note)),
    timeArray(rows.map(({ at }) => at)),
    timeArray(rows.map(({ begin }) => begin.until)),
  ])
}

const advanceStatement = {
  name: 'payments_advance',
  text: `update transaction t
         set status = case when t.status = n.read_status then n.status else
               ('books disagree: a transaction went on under the lock of its payer: '
                || t.transaction_id::text)::smallint end,
             decline_reason = n.decline_reason, posted_at = n.at, until = n.until
         from unnest($1::uuid[], $2::uuid[], $3::smallint[], $4::smallint[], $5::text[],
                     $6::timestamptz[], $7::timestamptz[])
           as n (transaction_id, payer_id, read_status, status, decline_reason, at, until)
         where t.transaction_id = n.transaction_id and t.payer_id = n.payer_id
           and t.transaction_id = any($1::uuid[])`,
}

/** Fails when one does not stand where it was read: see `disagreementIn`. */
export async function advanceTransactions(
  tx: Queryable,
  rows: readonly Readonly<{ next: Next; at: Micros }>[],
): Promise<void> {
  const steps = rows.map(({ next }) => next)
  await tx.query(advanceStatement, [
    uuidArray(steps.map(({ terms }) => terms.transaction)),
    uuidArray(steps.map(({ terms }) => terms.payer)),
    smallintArray(steps.map(({ from }) => states[from])),
    smallintArray(steps.map(({ to }) => states[to])),
    textArray(steps.map(({ declineReason }) => declineReason)),
    timeArray(rows.map(({ at }) => at)),
    timeArray(steps.map(({ until }) => until)),
  ])
}

const findTransactionsStatement = {
  name: 'payments_find_transactions',
  text: `select ${transactionColumns} from transaction
         where transaction_id = any($1::uuid[]) and payer_id = $2`,
}

/** Those that this user asked for: one user's rows only. */
export async function findOwnTransactions(
  db: Queryable,
  payer: UserId,
  ids: readonly TransactionId[],
): Promise<readonly StoredTransaction[]> {
  const { rows } = await db.query<StoredTransaction>(findTransactionsStatement, [
    uuidArray(ids),
    payer,
  ])
  return rows
}

const findTransactionStatement = {
  name: 'payments_find_transaction',
  text: `select ${transactionColumns} from transaction where transaction_id = $1`,
}

/** Whoever the payer is: one look-up by the key, and on a cluster one in each shard. */
export async function findTransactionById(
  db: Queryable,
  id: TransactionId,
): Promise<StoredTransaction | null> {
  return (await db.query<StoredTransaction>(findTransactionStatement, [id])).rows[0] ?? null
}

const statesStatement = {
  name: 'payments_states',
  text: `select transaction_id as id, status from transaction
         where transaction_id = any($1::uuid[]) and payer_id = any($2::uuid[])`,
}

export async function readStates(
  tx: Queryable,
  steps: readonly Next[],
): Promise<ReadonlyMap<string, number>> {
  const { rows } = await tx.query<{ id: string; status: number }>(statesStatement, [
    uuidArray(steps.map(({ terms }) => terms.transaction)),
    uuidArray(steps.map(({ terms }) => terms.payer)),
  ])
  return new Map(rows.map(({ id, status }) => [id, status]))
}

const insertCodesStatement = {
  name: 'payments_insert_code',
  text: `insert into verification (payer_id, transaction_id, expires_at) values ($1, $2, $3)`,
}

export async function insertCode(
  tx: Queryable,
  payer: UserId,
  transaction: TransactionId,
  code: CodeRecord,
): Promise<void> {
  const values = [payer, transaction, printTime(code.expiresAt)]
  await tx.query(insertCodesStatement, values)
}

const readTriedStatement = {
  name: 'payments_read_tried',
  text: `select cardinality(tried) as tried, $3 = any(tried) as known from verification
         where payer_id = $1 and transaction_id = $2`,
}

/** How many wrong answers there were, and whether this was one of them. */
export async function readTried(
  tx: Queryable,
  payer: UserId,
  transaction: TransactionId,
  digest: Uint8Array,
): Promise<Readonly<{ tried: number; known: boolean }>> {
  const { rows } = await tx.query<{ tried: number; known: boolean }>(readTriedStatement, [
    payer,
    transaction,
    digest,
  ])
  if (!rows[0]) throw new Error('a payment waits for a code without its row')
  return rows[0]
}

const readBudgetStatement = {
  name: 'payments_read_code_budget',
  text: `select wrong::int, began_at as "beganAt" from code_budget
         where payer_id = $1 and began_at > $2`,
}

/** The wrong codes of a payer in a day that began after `since`. */
export async function readCodeBudget(
  tx: Queryable,
  payer: UserId,
  since: Micros,
): Promise<Readonly<{ wrong: number; beganAt: Micros }>> {
  const { rows } = await tx.query<{ wrong: number; beganAt: Micros }>(readBudgetStatement, [
    payer,
    printTime(since),
  ])
  return rows[0] ?? { wrong: 0, beganAt: since }
}

const spendBudgetStatement = {
  name: 'payments_spend_code_budget',
  text: `insert into code_budget as b (payer_id, began_at, wrong) values ($1, $2, 1)
         on conflict (payer_id) do update
         set began_at = case when b.began_at > $3 then b.began_at else excluded.began_at end,
             wrong = case when b.began_at > $3 then b.wrong + 1 else 1 end`,
}

export async function spendCodeBudget(
  tx: Queryable,
  payer: UserId,
  now: Micros,
  since: Micros,
): Promise<void> {
  await tx.query(spendBudgetStatement, [payer, printTime(now), printTime(since)])
}

const addTriedStatement = {
  name: 'payments_add_tried',
  text: `update verification set tried = tried || $3::bytea
         where payer_id = $1 and transaction_id = $2`,
}

export async function addTried(
  tx: Queryable,
  payer: UserId,
  transaction: TransactionId,
  digest: Uint8Array,
): Promise<void> {
  await tx.query(addTriedStatement, [payer, transaction, digest])
}

const countCodesStatement = {
  name: 'payments_count_codes',
  text: `select count(*)::int as asked, min(expires_at) as "nextEnd",
                count(*) filter (where cardinality(tried) >= $3)::int as failed
         from verification where payer_id = $1 and expires_at > $2`,
}

/** The codes that were asked for within their life. */
export async function countCodes(
  db: Queryable,
  payer: UserId,
  now: Micros,
  most: number,
): Promise<Readonly<{ asked: number; failed: number; nextEnd: Micros | null }>> {
  const values = [payer, printTime(now), most]
  const { rows } = await db.query<{ asked: number; failed: number; nextEnd: Micros | null }>(
    countCodesStatement,
    values,
  )
  return rows[0] ?? { asked: 0, failed: 0, nextEnd: null }
}

const findWaitingStatement = {
  name: 'payments_find_waiting',
  text: `select ${transactionColumns} from transaction
         where status in (3, 4) and posted_at < $1 and (status = 4 or until < $1)
           and (posted_at, transaction_id) > ($2, $3)
         order by posted_at, transaction_id limit $4`,
}

const BEFORE_ALL = { at: '-infinity', id: '00000000-0000-0000-0000-000000000000' }

/**
 * What should have gone on before `since`: waits for a code that has expired, or for the bank. In
 * the order it was posted, behind `last`.
 */
export async function findOverdue(
  db: Queryable,
  since: Micros,
  last: StoredTransaction | undefined,
  limit: number,
): Promise<readonly StoredTransaction[]> {
  const start = last ? { at: printTime(last.postedAt), id: last.transactionId } : BEFORE_ALL
  const values = [printTime(since), start.at, start.id, limit]
  return (await db.query<StoredTransaction>(findWaitingStatement, values)).rows
}

const insertPayeesStatement = {
  name: 'payments_insert_payees',
  text: `insert into payee (user_id, payee_id)
         select distinct user_id, payee_id
         from unnest($1::uuid[], $2::uuid[]) as n (user_id, payee_id)
         on conflict (user_id, payee_id) do nothing`,
}

export async function insertPayees(
  tx: Queryable,
  pairs: readonly Readonly<{ payer: UserId; payee: UserId }>[],
): Promise<void> {
  await tx.query(insertPayeesStatement, [
    uuidArray(pairs.map(({ payer }) => payer)),
    uuidArray(pairs.map(({ payee }) => payee)),
  ])
}

const knowsPayeeStatement = {
  name: 'payments_knows_payee',
  text: `select 1 from payee where user_id = $1 and payee_id = $2`,
}

/** True for ever once it is true, so it may be asked without a lock. */
export async function knowsPayee(db: Queryable, payer: UserId, payee: UserId): Promise<boolean> {
  return (await db.query(knowsPayeeStatement, [payer, payee])).rows.length > 0
}
