import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, test } from 'node:test'
import { allTogether, cutAt, hashUuid } from '../../src/db/citus/shards.ts'
import { placements } from '../../src/db/citus/placement.ts'
import { type FreshDatabase, freshDatabase } from '../kit/database.ts'
import { noCitus } from '../kit/citus/cluster.ts'

let database: FreshDatabase

before(async () => {
  database = await freshDatabase()
})
after(async () => {
  await database.drop()
})

test('every table has a place, and every place a table with the column it is spread by', async () => {
  const { rows } = await database.pool.query<{ name: string; columns: string[] }>(
    `select relname as name, array(
       select attname::text from pg_attribute where attrelid = c.oid and attnum > 0
     ) as columns
     from pg_class c where relkind in ('r', 'p') and relnamespace = 'public'::regnamespace`,
  )
  const columnsOf = new Map(rows.map(({ name, columns }) => [name, columns]))
  assert.deepEqual(
    [...columnsOf.keys()].toSorted(),
    Object.keys(placements).toSorted(),
    'a new table needs its line in src/db/citus/placement.ts',
  )
  for (const [name, { by }] of Object.entries(placements)) {
    if (by !== null) assert(columnsOf.get(name)?.includes(by), `${name} has no column ${by}`)
  }
})

test('a unique index of a spread table holds the column that the table is spread by', async () => {
  const { rows } = await database.pool.query<{ name: string; columns: string[] }>(
    `select indrelid::regclass::text as name, array(
       select attname::text from pg_attribute where attrelid = indrelid and attnum = any(indkey)
     ) as columns
     from pg_index where indisunique and indrelid in (
       select oid from pg_class where relnamespace = 'public'::regnamespace)`,
  )
  for (const { name, columns } of rows) {
    const by = placements[name]?.by ?? null
    assert(by === null || columns.includes(by), `${name} cannot be unique by ${columns.join()}`)
  }
})

test('the number that gives a row its shard is the one that PostgreSQL makes', async () => {
  const ids = Array.from({ length: 500 }, () => randomUUID())
  const edges = ['00000000-0000-0000-0000-000000000000', 'ffffffff-ffff-ffff-ffff-ffffffffffff']
  const { rows } = await database.pool.query<{ id: string; hash: number }>(
    'select id, uuid_hash(id) as hash from unnest($1::uuid[]) as wanted (id)',
    [[...ids, ...edges]],
  )
  assert.equal(rows.length, 502)
  for (const { id, hash } of rows) assert.equal(hashUuid(id), hash, id)
})

test('rows are cut at the shards, in one order, and none is lost', () => {
  const ids = Array.from({ length: 300 }, () => randomUUID()).sort()
  const byShard = cutAt([-(2 ** 31), -(2 ** 30), 0, 2 ** 30])
  const pieces = byShard(ids, (id) => id)
  assert.equal(pieces.length, 4)
  assert.deepEqual(pieces.flat().toSorted(), ids)
  for (const piece of pieces) assert.deepEqual(piece, piece.toSorted())
  const again = byShard(ids.toReversed(), (id) => id)
  assert.deepEqual(
    again.map((piece) => piece.toSorted()),
    pieces,
  )
  const places = pieces.map((piece) => piece.map(hashUuid))
  for (const [index, hashes] of places.entries()) {
    const next = places[index + 1]
    if (next) assert(Math.max(...hashes) < Math.min(...next))
  }
})

test('elsewhere all rows stay together as they came', () => {
  assert.deepEqual(
    allTogether(['b', 'a'], (id) => id),
    [['b', 'a']],
  )
})

test('on the cluster each table lies where it should', { skip: noCitus }, async () => {
  const { rows } = await database.pool.query<{ name: string; by: string; beside: number }>(
    `select logicalrelid::text as name, column_to_column_name(logicalrelid, partkey) as by,
            colocationid as beside
     from pg_dist_partition where partmethod = 'h' and logicalrelid::text not like '%.%'`,
  )
  const wanted = Object.entries(placements).filter(([, { by }]) => by !== null)
  assert.deepEqual(
    new Map(rows.map(({ name, by }) => [name, by] as const)),
    new Map(wanted.map(([name, { by }]) => [name, by] as const)),
  )
  const users = rows.filter(({ name }) => placements[name]?.among === 'user')
  assert.equal(new Set(users.map(({ beside }) => beside)).size, 1, 'all of a user lies together')
  assert(users.length > 20)
})
