import type { Queryable } from '../query.ts'
import { FIRST } from './placement.ts'

/**
 * Cuts rows into pieces that lie on one shard each, in the order of the shards. Whoever locks rows
 * piece by piece, and within a piece in the order of their ids, follows one order of the whole
 * cluster. On a database that is not spread there is one piece, with all rows as they came.
 */
export type ByShard = <T>(rows: readonly T[], idOf: (row: T) => string) => readonly (readonly T[])[]

export const allTogether: ByShard = (rows) => [rows]

/** Whether the books are spread by Citus, as seen from a session. Costs one look at the catalog. */
export const hasCitus = `to_regclass('pg_catalog.pg_dist_shard') is not null`

/** Whether rows lie on the workers of a cluster, which show what was committed one by one. */
export async function isSpread(db: Queryable): Promise<boolean> {
  const { rows } = await db.query<{ spread: boolean }>(`select ${hasCitus} as spread`)
  return rows[0]?.spread === true
}

/** Null when the books are not spread, for want of Citus's workers. */
export async function readShards(db: Queryable): Promise<ByShard | null> {
  const { rows } = await db.query<{ first: number }>(
    `select shardminvalue::int as first from pg_dist_shard
     where logicalrelid = to_regclass($1) order by 1`,
    [FIRST],
  )
  if (rows.length === 0) return null
  return cutAt(rows.map(({ first }) => first))
}

/** @param firsts The lowest hash of each shard, ascending. */
export function cutAt(firsts: readonly number[]): ByShard {
  return (rows, idOf) => {
    const pieces = Map.groupBy(rows, (row) => placeOf(firsts, hashUuid(idOf(row))))
    return [...pieces].sort(([one], [other]) => one - other).map(([, piece]) => piece)
  }
}

function placeOf(firsts: readonly number[], hash: number): number {
  let [low, high] = [0, firsts.length]
  while (high - low > 1) {
    const middle = (low + high) >> 1
    if (hash < (firsts[middle] ?? 0)) high = middle
    else low = middle
  }
  return low
}

const START = (0x9e3779b9 + 16 + 3_923_095) | 0

/**
 * What PostgreSQL's `uuid_hash` makes of a uuid: the number by which Citus gives a row its shard.
 * A wrong one could not do harm: Citus refuses to lock rows of several shards by one statement.
 *
 * @see PostgreSQL source, hash_bytes, for a key of sixteen bytes
 */
export function hashUuid(uuid: string): number {
  const bytes = Buffer.from(uuid.replaceAll('-', ''), 'hex')
  if (bytes.length !== 16) throw new TypeError(`not a uuid: ${uuid}`)
  const word = (at: number) => bytes.readInt32LE(at)
  let [a, b, c] = mixed((START + word(0)) | 0, (START + word(4)) | 0, (START + word(8)) | 0)
  a = (a + word(12)) | 0
  c = ((c ^ b) - turned(b, 14)) | 0
  a = ((a ^ c) - turned(c, 11)) | 0
  b = ((b ^ a) - turned(a, 25)) | 0
  c = ((c ^ b) - turned(b, 16)) | 0
  a = ((a ^ c) - turned(c, 4)) | 0
  b = ((b ^ a) - turned(a, 14)) | 0
  return ((c ^ b) - turned(b, 24)) | 0
}

function mixed(first: number, second: number, third: number): [number, number, number] {
  let [a, b, c] = [first, second, third]
  for (const [one, two, three] of [
    [4, 6, 8],
    [16, 19, 4],
  ] as const) {
    a = ((a - c) ^ turned(c, one)) | 0
    c = (c + b) | 0
    b = ((b - a) ^ turned(a, two)) | 0
    a = (a + c) | 0
    c = ((c - b) ^ turned(b, three)) | 0
    b = (b + a) | 0
  }
  return [a, b, c]
}

function turned(word: number, by: number): number {
  return (word << by) | (word >>> (32 - by))
}
