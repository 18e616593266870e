import type { Queryable } from '../../db/query.ts'
import { printTime } from '../../time.ts'
import type { Micros } from '../../time.ts'

/** One thing that the provider remembers. `payload` is the library's own JSON. */
export type StoredPayload = Readonly<{
  payload: Readonly<Record<string, unknown>>
  consumedAt: Micros | null
}>

export type Place = Readonly<{ kind: string; id: string }>

const upsertStatement = {
  name: 'provider_upsert_payload',
  text: `insert into oidc_payload (kind, id, payload, grant_id, user_code, uid, expires_at)
         values ($1, $2, $3, $4, $5, $6, $7)
         on conflict (kind, id) do update
         set payload = excluded.payload, grant_id = excluded.grant_id,
             user_code = excluded.user_code, uid = excluded.uid, expires_at = excluded.expires_at`,
}

export async function upsertPayload(
  db: Queryable,
  { kind, id }: Place,
  stored: Readonly<{
    payload: object
    grantId: string | null
    userCode: string | null
    uid: string | null
    expiresAt: Micros | null
  }>,
): Promise<void> {
  const { payload, grantId, userCode, uid, expiresAt } = stored
  const names = [grantId, userCode, uid]
  const end = expiresAt === null ? null : printTime(expiresAt)
  await db.query(upsertStatement, [kind, id, JSON.stringify(payload), ...names, end])
}

const columns = 'payload, consumed_at as "consumedAt"'

const findStatement = {
  name: 'provider_find_payload',
  text: `select ${columns} from oidc_payload where kind = $1 and id = $2`,
}

export async function findPayload(
  db: Queryable,
  { kind, id }: Place,
): Promise<StoredPayload | null> {
  const { rows } = await db.query<StoredPayload>(findStatement, [kind, id])
  return rows[0] ?? null
}

const findByStatements = {
  user_code: {
    name: 'provider_find_by_user_code',
    text: `select ${columns} from oidc_payload where kind = $1 and user_code = $2`,
  },
  uid: {
    name: 'provider_find_by_uid',
    text: `select ${columns} from oidc_payload where kind = $1 and uid = $2`,
  },
} as const

export async function findPayloadBy(
  db: Queryable,
  column: keyof typeof findByStatements,
  kind: string,
  value: string,
): Promise<StoredPayload | null> {
  const { rows } = await db.query<StoredPayload>(findByStatements[column], [kind, value])
  return rows[0] ?? null
}

const consumeStatement = {
  name: 'provider_consume_payload',
  text: `update oidc_payload set consumed_at = $3
         where kind = $1 and id = $2 and consumed_at is null`,
}

/** True for the one who used it up, however many ask together. */
export async function consumePayload(
  db: Queryable,
  { kind, id }: Place,
  now: Micros,
): Promise<boolean> {
  const { rowCount } = await db.query(consumeStatement, [kind, id, printTime(now)])
  return rowCount === 1
}

const deleteStatement = {
  name: 'provider_delete_payload',
  text: 'delete from oidc_payload where kind = $1 and id = $2',
}

export async function deletePayload(db: Queryable, { kind, id }: Place): Promise<void> {
  await db.query(deleteStatement, [kind, id])
}

const deleteGrantStatement = {
  name: 'provider_delete_by_grant',
  text: 'delete from oidc_payload where grant_id = $1 and kind = $2',
}

export async function deleteByGrant(db: Queryable, kind: string, grantId: string): Promise<void> {
  await db.query(deleteGrantStatement, [grantId, kind])
}
