import assert from 'node:assert/strict'
import type { Queryable, Statement } from '../../db/query.ts'
import type { EventId, UserId } from '../../ids/ids.ts'
import { firstIdAt, NOBODY } from '../../ids/ids.ts'
import { printTime } from '../../time.ts'
import type { Micros } from '../../time.ts'
import type { AuthEvent } from './record.ts'

const insertEventStatement = {
  name: 'auth_insert_event',
  text: `insert into auth_event (user_id, event_id, at, kind, outcome, client_id, network, device,
           facts)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
}

export async function insertEvent(
  db: Queryable,
  event: AuthEvent & Readonly<{ eventId: EventId; at: Micros }>,
): Promise<void> {
  const { userId, eventId, at, kind, outcome, clientId, network, device, facts } = event
  const what = [userId ?? NOBODY, eventId, printTime(at), kind, outcome]
  await db.query(insertEventStatement, [...what, clientId, network, device, JSON.stringify(facts)])
}

/** What one attempt is counted as. `until` is when a window that begins now ends. */
export type Charge = Readonly<{ name: Buffer; most: number; until: Micros }>

/** `countedUntil`: the end of the window it was counted in; null when it was not. */
export type Charged = Readonly<{
  name: Buffer
  countedUntil: Micros | null
  /** When the last of the windows that are full ends; null when none was. */
  fullUntil: Micros | null
}>

/**
 * A clock that was set back must not make a window longer than it is: one that ends later than a
 * window that begins now is over.
 */
const running = (row: string, fresh: string) =>
  `${row}.expires_at > $4 and ${row}.expires_at <= ${fresh}`

const chargeStatement = {
  name: 'auth_charge_meters',
  text: `with asked as (
           select a.name, a.most, a.until
           from unnest($1::bytea[], $2::int[], $3::timestamptz[]) as a (name, most, until)
           where a.name is distinct from $5::bytea
             or not exists (select from meter m where m.name = $6::bytea and m.expires_at > $4)),
         full_windows as (
           select max(m.expires_at) as until from asked a join meter m on m.name = a.name
           where m.count >= a.most and ${running('m', 'a.until')}),
         counted as (
           insert into meter (name, count, most, expires_at)
           select name, 1, most, until from asked
           where (select until from full_windows) is null
           order by name
           on conflict (name) do update
           set count = case when ${running('meter', 'excluded.expires_at')}
                 then meter.count + 1 else 1 end,
               most = excluded.most,
               expires_at = case when ${running('meter', 'excluded.expires_at')}
                 then meter.expires_at else excluded.expires_at end
           where meter.count < excluded.most or not (${running('meter', 'excluded.expires_at')})
           returning name, expires_at)
         select a.name, c.expires_at as "countedUntil", f.until as "fullUntil"
         from asked a cross join full_windows f left join counted c on c.name = a.name`,
}

/**
 * Counts an attempt in each of its windows, but in none when one of them is full. Rows are locked
 * in the order of their names, so that two never wait for each other. What fills a window at the
 * same moment is seen by the row alone: then some are counted and some are not.
 */
export async function chargeMeters(
  db: Queryable,
  ask: Readonly<{
    charges: readonly Charge[]
    now: Micros
    /** Not counted while the mark stands. */
    spared: Readonly<{ name: Buffer; by: Buffer }> | null
  }>,
): Promise<readonly Charged[]> {
  const { charges, now, spared } = ask
  const { rows } = await db.query<Charged>(chargeStatement, [
    charges.map(({ name }) => name),
    charges.map(({ most }) => most),
    charges.map(({ until }) => printTime(until)),
    printTime(now),
    spared?.name ?? null,
    spared?.by ?? null,
  ])
  return rows
}

/** So many are taken off the window that ends then; `mark` is one that stands until then. */
export type Settling = Readonly<{ name: Buffer; back: number; until: Micros; mark: boolean }>

const settleStatement = {
  name: 'auth_settle_meters',
  text: `insert into meter (name, count, most, expires_at)
         select s.name, s.back, case when s.mark then 0 else 1 end, s.until
         from unnest($1::bytea[], $2::int[], $3::timestamptz[], $4::boolean[])
           as s (name, back, until, mark)
         order by s.name
         on conflict (name) do update
         set count = greatest(meter.count - excluded.count, 0), expires_at = excluded.expires_at
         where meter.expires_at = excluded.expires_at or excluded.most = 0`,
}

/**
 * Gives counts back, each to the window that it was counted in and no later one, and sets marks. A
 * window that was erased meanwhile comes back, and is over already. Locks rows as `chargeMeters`.
 */
export async function settleMeters(db: Queryable, settlings: readonly Settling[]): Promise<void> {
  await db.query(settleStatement, [
    settlings.map(({ name }) => name),
    settlings.map(({ back }) => back),
    settlings.map(({ until }) => printTime(until)),
    settlings.map(({ mark }) => mark),
  ])
}

/** The tables whose rows end, in the order in which they are cleared. */
export const expiring = [
  'auth_ticket',
  'meter',
  'revocation',
  'oidc_payload',
  'factor_reset',
] as const

/**
 * Each by the index that leads to its oldest rows. Rows that somebody has locked are in use. Citus
 * cannot pass over them: there a row is looked at again once it is free, and is then left alone if
 * it has a new end.
 */
const erasure = (table: string, key: string, end: string, order = end) => ({
  name: `auth_erase_${table}`,
  text: `delete from ${table} where (${key}) in (
    select ${key} from ${table} where ${end} < $1
    order by ${order} limit $2 for update skip locked)`,
  spread: `delete from ${table} where ${end} < $1 and (${key}) in (
    select ${key} from ${table} where ${end} < $1 order by ${order} limit $2)`,
})

const erasures: Readonly<Record<(typeof expiring)[number], Statement>> = {
  auth_ticket: erasure('auth_ticket', 'digest', 'expires_at'),
  meter: erasure('meter', 'name', 'expires_at'),
  revocation: erasure('revocation', 'revocation_id', 'expires_at', 'revoked_at'),
  oidc_payload: erasure('oidc_payload', 'kind, id', 'expires_at'),
  factor_reset: erasure('factor_reset', 'user_id', 'ready_at', 'user_id'),
}

/** Deletes rows that ended before then, so many at most. @returns How many they were. */
export async function deleteExpired(
  db: Queryable,
  table: (typeof expiring)[number],
  until: Micros,
  limit: number,
): Promise<number> {
  const { rowCount } = await db.query(erasures[table], [printTime(until), limit])
  return rowCount ?? 0
}

/** Ids are made as time goes by: the key bounds what is read, the time decides. */
const signIns = (id: string, at: string) =>
  `select from auth_event where user_id = $1 and event_id >= ${id} and at > ${at}
     and kind = 'sign_in' and outcome = 'done'`

const cameFromStatement = {
  name: 'auth_came_from',
  text: `select exists (${signIns('$2', '$3')}) as "ever",
           exists (${signIns('$2', '$3')} and network is not distinct from $6) as "network",
           exists (${signIns('$2', '$3')} and device is not distinct from $7) as "device",
           exists (${signIns('$4', '$5')} and facts ? 'told') as "told"`,
}

/** Whether a user has signed in since then: at all, from this network, and with this device. */
export type CameFrom = Readonly<{
  ever: boolean
  network: boolean
  device: boolean
  /** Whether the owner was told of a sign-in since `toldSince`. */
  told: boolean
}>

export async function cameFrom(
  db: Queryable,
  ask: Readonly<{
    userId: UserId
    since: Micros
    toldSince: Micros
    network: string | null
    device: string | null
  }>,
): Promise<CameFrom> {
  const times = [ask.since, ask.toldSince].flatMap((at) => [firstIdAt(at), printTime(at)])
  const values = [ask.userId, ...times, ask.network, ask.device]
  const { rows } = await db.query<CameFrom>(cameFromStatement, values)
  const [row] = rows
  assert(row, 'a select without from gives a row')
  return row
}
