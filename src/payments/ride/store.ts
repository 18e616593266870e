import { textArray, uuidArray } from '../../db/arrays.ts'
import type { Queryable } from '../../db/query.ts'
import type { UserId } from '../../ids/ids.ts'
import { printTime } from '../../time.ts'
import type { Micros } from '../../time.ts'
import type { Digest } from '../rules/fingerprint.ts'
import type { RequestRecord } from './passenger.ts'

const insertRequestsStatement = {
  name: 'payments_insert_requests',
  text: `insert into request (user_id, key_digest, request_digest, action, subject_id, created_at)
         select user_id, key_digest, request_digest, action, subject_id, $6::timestamptz
         from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::uuid[])
           as n (user_id, key_digest, request_digest, action, subject_id)`,
}

export const REQUEST_ONCE = 'request_pkey'

/** Beside the locked wallets of the callers: see `countedAsWrite`. */
export async function insertRequests(
  tx: Queryable,
  rows: readonly RequestRecord[],
  at: Micros,
): Promise<void> {
  await tx.query(insertRequestsStatement, [
    uuidArray(rows.map(({ caller }) => caller)),
    uuidArray(rows.map(({ key }) => key)),
    uuidArray(rows.map(({ ask }) => ask)),
    textArray(rows.map(({ action }) => action)),
    uuidArray(rows.map(({ subject }) => subject)),
    printTime(at),
  ])
}

const insertRequestStatement = {
  name: 'payments_insert_request',
  text: `insert into request (user_id, key_digest, request_digest, action, subject_id, created_at)
         values ($1, $2, $3, $4, $5, $6)`,
}

/** The same for one whose caller's wallet is not locked: Citus counts it as a write by itself. */
export async function insertRequest(tx: Queryable, row: RequestRecord, at: Micros): Promise<void> {
  const { caller, key, ask, action, subject } = row
  const values = [caller, key, ask, action, subject, printTime(at)]
  await tx.query(insertRequestStatement, values)
}

/** A request that was carried out. */
export type FoundRequest = Readonly<{
  userId: UserId
  key: Digest
  ask: Digest
  action: string
  subject: string | null
  createdAt: Micros
}>

const requestColumns = `r.user_id as "userId", r.key_digest as key, r.request_digest as ask,
  r.action, r.subject_id as subject, r.created_at as "createdAt"`

const findRequestsStatement = {
  name: 'payments_find_requests',
  text: `select ${requestColumns}
         from unnest($1::uuid[], $2::uuid[]) as n (user_id, key_digest)
         cross join lateral (
           select * from request
           where user_id = n.user_id and key_digest = n.key_digest
           limit 1  -- one look-up for each, whatever the planner thinks of the table
         ) r`,
  // Its shards plan by the size of their tables.
  spread: `select ${requestColumns} from request r
           join unnest($1::uuid[], $2::uuid[]) as n (user_id, key_digest)
             on r.user_id = n.user_id and r.key_digest = n.key_digest
           where r.user_id = any($1::uuid[])`,
}

export async function findRequests(
  db: Queryable,
  wanted: readonly Readonly<{ caller: UserId; key: Digest }>[],
): Promise<readonly FoundRequest[]> {
  const { rows } = await db.query<FoundRequest>(findRequestsStatement, [
    uuidArray(wanted.map(({ caller }) => caller)),
    uuidArray(wanted.map(({ key }) => key)),
  ])
  return rows
}

const reserveRequestStatement = {
  name: 'payments_reserve_request',
  text: `insert into request (user_id, key_digest, request_digest, action, created_at)
         values ($1, $2, $3, $4, $5)
         on conflict (user_id, key_digest) do nothing`,
}

/** Waits for a request under the same key that is still under way. @returns whether it is new. */
export async function reserveRequest(
  tx: Queryable,
  record: RequestRecord,
  at: Micros,
): Promise<boolean> {
  const { caller, key, ask, action } = record
  const values = [caller, key, ask, action, printTime(at)]
  return (await tx.query(reserveRequestStatement, values)).rowCount === 1
}

const nameSubjectStatement = {
  name: 'payments_name_subject',
  text: `update request set subject_id = $3 where user_id = $1 and key_digest = $2`,
}

export async function nameSubject(
  tx: Queryable,
  record: RequestRecord,
  subject: string,
): Promise<void> {
  await tx.query(nameSubjectStatement, [record.caller, record.key, subject])
}

const dropRequestStatement = {
  name: 'payments_drop_request',
  text: `delete from request where user_id = $1 and key_digest = $2`,
}

/**
 * Takes back a reservation in the transaction that made it: what was refused may be asked again.
 */
export async function dropRequest(tx: Queryable, record: RequestRecord): Promise<void> {
  await tx.query(dropRequestStatement, [record.caller, record.key])
}
