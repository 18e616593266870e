import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import * as fc from 'fast-check'
import {
  bigintArray,
  booleanArray,
  smallintArray,
  textArray,
  timeArray,
  uuidArray,
} from '../../src/db/arrays.ts'
import { parseTime } from '../../src/time.ts'
import type { Micros } from '../../src/time.ts'
import { freshDatabase } from '../kit/database.ts'
import type { FreshDatabase } from '../kit/database.ts'

let database: FreshDatabase
before(async () => {
  database = await freshDatabase()
})
after(async () => await database.drop())

type Of<T> = Readonly<{
  type: string
  write: (values: readonly (T | null)[]) => Buffer
  value: fc.Arbitrary<T>
  edges: readonly (T | null)[]
}>

async function comesBack<T>({ type, write }: Of<T>, values: readonly (T | null)[]): Promise<void> {
  // Element by element, so that what is read back does not pass through a reader of arrays.
  const { rows } = await database.pool.query<{ value: T | null }>(
    `select value from unnest($1::${type}[]) with ordinality as n (value, place) order by place`,
    [write(values)],
  )
  assert.deepEqual(
    rows.map(({ value }) => value),
    values,
  )
}

function holds<T>(of: Of<T>): void {
  test(`${of.type}: what goes in comes out`, async () => {
    const values = fc.array(fc.option(of.value, { freq: 4 }), { maxLength: 40 })
    await fc.assert(
      fc.asyncProperty(values, async (all) => await comesBack(of, all)),
      { numRuns: 40 },
    )
  })
  test(`${of.type}: none, one, only nulls, and the edges come out`, async () => {
    const some = of.edges[0] ?? null
    for (const values of [[], [some], [null], [null, null], [null, some], of.edges]) {
      await comesBack(of, values)
    }
  })
  test(`${of.type}: many come out`, async () => {
    await comesBack(
      of,
      Array.from({ length: 5_000 }, (_, index) => of.edges[index % 5] ?? null),
    )
  })
}

const BIGGEST = 2n ** 63n - 1n
const first = parseTime('0001-01-01T00:00:00Z') as Micros
const last = parseTime('9999-12-31T23:59:59.999999Z') as Micros

holds({
  type: 'bigint',
  write: bigintArray,
  value: fc.bigInt(-BIGGEST - 1n, BIGGEST),
  edges: [0n, -1n, BIGGEST, -BIGGEST - 1n, null, 1n],
})
holds({
  type: 'smallint',
  write: smallintArray,
  value: fc.integer({ min: -32_768, max: 32_767 }),
  edges: [0, -1, 32_767, -32_768, null, 1],
})
holds({
  type: 'boolean',
  write: booleanArray,
  value: fc.boolean(),
  edges: [true, false, null],
})
holds({
  type: 'timestamptz',
  write: timeArray,
  value: fc.bigInt(first, last) as fc.Arbitrary<Micros>,
  edges: [0n as Micros, -1n as Micros, first, last, null, parseTime('2000-01-01T00:00:00Z')],
})
holds({
  type: 'uuid',
  write: uuidArray,
  value: fc.uuid(),
  edges: [
    '00000000-0000-0000-0000-000000000000',
    'ffffffff-ffff-ffff-ffff-ffffffffffff',
    null,
    '0198f3c2-e1b7-7c3a-9d5e-0f1a2b3c4d5e',
  ],
})
holds({
  type: 'text',
  write: textArray,
  value: fc.string({ unit: 'binary' }).map((text) => text.replaceAll('\0', '')),
  edges: ['', 'NULL', '{"a",b}', '\\ " \' , {}', '£ € 👩‍👩‍👧 \u{10ffff}', null, 'x'.repeat(70_000)],
})

test('a value that does not fit is refused before it is sent', () => {
  assert.throws(() => bigintArray([BIGGEST + 1n]), RangeError)
  assert.throws(() => smallintArray([32_768]), RangeError)
})

const misshapen: Readonly<Record<string, string>> = {
  'a digit short': '0198f3c2-e1b7-7c3a-9d5e-0f1a2b3c4d5',
  'a digit long': '0198f3c2-e1b7-7c3a-9d5e-0f1a2b3c4d5e0',
  'two digits long': '0198f3c2-e1b7-7c3a-9d5e-0f1a2b3c4d5e00',
  'not hexadecimal': '0198f3c2-e1b7-7c3a-9d5e-0f1a2b3c4d5g',
  'without hyphens': '0198f3c2e1b77c3a9d5e0f1a2b3c4d5e',
  'with a hyphen for a digit': '0198f3c2-e1b7-7c3a-9d5e-0f1a2b3c4d5-',
  empty: '',
}
for (const [what, text] of Object.entries(misshapen)) {
  test(`a uuid ${what} is refused wherever it stands`, () => {
    const good = '0198f3c2-e1b7-7c3a-9d5e-0f1a2b3c4d5e'
    for (const values of [[text], [text, good], [good, text]]) {
      assert.throws(() => uuidArray(values), /not a uuid/)
    }
  })
}
