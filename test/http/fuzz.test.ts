import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import * as fc from 'fast-check'
import { printId } from '../../src/ids/ids.ts'
import { openHouse } from './house.ts'
import type { House, Method } from './house.ts'

/**
 * Goal: no request makes the service fail, and none that is malformed moves anything.
 * Method: every operation of the OpenAPI document that the service itself serves, with one or more
 * of its parts spoiled. Rerun one with the seed that a failure prints.
 */
const REQUESTS = 20_000

type Schema = Readonly<{ properties?: Record<string, Schema>; examples?: unknown[] }>
type Operation = Readonly<{
  method: Method
  path: string
  parameters: readonly Readonly<{ name: string; in: string }>[]
  body: Schema | null
}>
type Described = Readonly<{
  parameters?: Operation['parameters']
  requestBody?: { content: Record<string, { schema: Schema }> }
}>
type Document = Readonly<{ paths: Record<string, Record<string, Described>> }>

let house: House
before(async () => {
  house = await openHouse()
})
after(async () => await house.close())

async function readOperations(): Promise<readonly Operation[]> {
  const { body } = await house.stranger.ask<Document>('GET', '/openapi.json')
  return Object.entries(body.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, { parameters = [], requestBody }]) => ({
      method: method.toUpperCase() as Method,
      path,
      parameters,
      body: requestBody?.content['application/json']?.schema ?? null,
    })),
  )
}

/** What people and attackers send where something else belongs. */
const spoiled = fc.oneof(
  fc.constantFrom<unknown>(null, true, -1, 0, 0.001, 1e308, '', ' ', '\u0001', '\u202e', '\uffff'),
  fc.constantFrom<unknown>([], {}, [[[]]], { $gt: '' }, "' or 1=1 --", '../../etc', '%00', '٣'),
  fc.constantFrom<unknown>('9'.repeat(400), 'é'.repeat(3_000), 'a@b', '1e-7', 'NaN', '-0'),
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.jsonValue({ depthSize: 'small' }),
)

const rawBodies = fc.oneof(
  fc.constantFrom('', '{', 'null', '[]', '"x"', '{"a":1,"a":2}', '['.repeat(9_000), '\ufeff{}'),
  fc.constantFrom(
    '{"__proto__":{}}',
    '{"note":"\\ud800"}',
    '{"note":"\\u0000"}',
    '{"amount":1e999}',
  ),
  fc.string({ maxLength: 60 }),
)

const headers = fc.record(
  {
    'idempotency-key': fc.constantFrom('', '"', 'a b', 'x'.repeat(300), '"ok"', 'é'),
    authorization: fc.constantFrom('', 'Bearer', 'Bearer x', 'Basic YTpi', 'Bearer a.b.c', '💥'),
    'content-type': fc.constantFrom('text/plain', 'application/json; charset=utf-16', 'x', ''),
    'request-id': fc.constantFrom('<b>', 'ok-1', ' '),
    accept: fc.constantFrom('text/html', 'nothing/at-all'),
    host: fc.constantFrom('', 'a b', 'x:99999', '[::1'),
  },
  { requiredKeys: [] },
)

function sometimes<T>(arbitrary: fc.Arbitrary<T>, oneIn: number): fc.Arbitrary<T | null> {
  const never = { weight: oneIn - 1, arbitrary: fc.constant(null) }
  return fc.oneof(never, { weight: 1, arbitrary })
}

/** How one request is spoiled. At least one part always is. */
const plan = fc
  .record({
    operation: fc.nat(),
    path: sometimes(spoiled, 4),
    query: sometimes(fc.tuple(fc.nat(), spoiled), 3),
    member: sometimes(fc.tuple(fc.nat(), spoiled), 2),
    stranger: sometimes(spoiled, 8),
    raw: sometimes(rawBodies, 6),
    headers: sometimes(headers, 8),
  })
  .filter(({ path, query, member, stranger, raw }) => {
    return [path, query, member, stranger, raw].some((part) => part !== null)
  })
type Plan = typeof plan extends fc.Arbitrary<infer T> ? T : never

type Ids = Readonly<Record<string, string>>

function text(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value)
}

function urlOf({ path, parameters }: Operation, spoil: Plan, ids: Ids): string {
  const names = [...path.matchAll(/\{(\w+)\}/g)].map(([, name = '']) => name)
  const target = names[spoil.operation % Math.max(1, names.length)]
  const filled = path.replace(/\{(\w+)\}/g, (_, name: string) => {
    const value = spoil.path !== null && name === target ? text(spoil.path) : (ids[name] ?? 'x')
    return encodeURIComponent(value.toWellFormed())
  })
  if (spoil.query === null) return filled
  const [which, value] = spoil.query
  const known = [...parameters.filter((one) => one.in === 'query'), { name: 'unknown' }]
  const name = known[which % known.length]?.name ?? 'unknown'
  return `${filled}?${name}=${encodeURIComponent(text(value).toWellFormed())}`
}

function bodyOf({ body }: Operation, spoil: Plan, ids: Ids): object | string | undefined {
  if (spoil.raw !== null) return spoil.raw
  if (!body) return undefined
  const members = Object.entries(body.properties ?? {})
  const fine: Record<string, unknown> = Object.fromEntries(
    members.map(([name, { examples }]) => [name, ids[name] ?? examples?.[0] ?? 'x']),
  )
  if (spoil.stranger !== null) fine['stranger'] = spoil.stranger
  if (spoil.member === null) return fine
  const [which, value] = spoil.member
  const name = members[which % Math.max(1, members.length)]?.[0] ?? 'stranger'
  return { ...fine, [name]: value }
}

test(
  `${REQUESTS} spoiled requests: nothing fails, nothing moves`,
  { timeout: 120_000 },
  async (t) => {
    const operations = await readOperations()
    const rich = await house.world.rich(10_000n)
    const poor = await house.world.person()
    const me = await house.signedIn(poor)
    const before = await balances()
    const ids: Ids = {
      id: printId('user', poor),
      userId: printId('user', poor),
      // Who has nothing can only be declined, should a payment be left whole.
      fromId: printId('user', poor),
      toId: printId('user', rich),
      bankId: `bank_${'1'.repeat(32)}`,
      transactionId: `txn_${'1'.repeat(32)}`,
      idempotencyKey: 'no-such-key',
      channel: 'email',
    }
    const statuses = new Map<number, number>()

    await fc.assert(
      fc.asyncProperty(plan, async (spoil) => {
        const operation = operations[spoil.operation % operations.length]
        assert(operation)
        const { status, body } = await me.ask<{ code?: string }>(
          operation.method,
          urlOf(operation, spoil, ids),
          bodyOf(operation, spoil, ids),
          { 'content-type': 'application/json', ...spoil.headers },
        )
        statuses.set(status, (statuses.get(status) ?? 0) + 1)
        assert(status < 500, `${operation.method} ${operation.path}: ${status}`)
        if (status >= 400) assert.equal(typeof body.code, 'string')
      }),
      { numRuns: REQUESTS },
    )

    t.diagnostic(JSON.stringify(Object.fromEntries(statuses)))
    const refused = [...statuses].filter(([status]) => status >= 400)
    const count = refused.reduce((sum, [, times]) => sum + times, 0)
    assert(count >= 10_000, `only ${count} requests were refused: the fuzzer has lost its edge`)
    assert.deepEqual(await balances(), before)
    await house.world.assertBooks()

    async function balances() {
      return await Promise.all(
        [rich, poor].map(async (user) => {
          const { wallet } = await house.world.payments.ownUser(user, { start: null, end: null })
          return wallet
        }),
      )
    }
  },
)
