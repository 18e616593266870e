import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, createServer, type AddressInfo } from 'node:net'
import { after, before, test } from 'node:test'
import { connectLedger, openPool } from '../../src/db/pool.ts'
import { AppError } from '../../src/errors.ts'
import { parseTime, printTime } from '../../src/time.ts'
import { type FreshDatabase, freshDatabase } from '../kit/database.ts'
import { onCitus } from '../kit/server.ts'
import { until } from '../kit/until.ts'

let db: FreshDatabase
before(async () => {
  db = await freshDatabase()
})
after(async () => await db.drop())

test('a read whose connection breaks is asked once more, and what may write is not', async (t) => {
  const applicationName = 'farthing broken'
  const pool = openPool({ url: db.url, max: 2, statementTimeoutMs: 2_000, applicationName })
  t.after(pool.end)
  const breakOne = async (): Promise<boolean> => {
    const { rows } = await db.pool.query(
      `select pg_terminate_backend(pid) from pg_stat_activity
       where application_name = '${applicationName}' and wait_event = 'PgSleep'`,
    )
    return rows.length > 0
  }
  const [read] = await Promise.all([
    pool.query(`select pg_sleep(0.3)`),
    until('it was broken', breakOne),
  ])
  assert.equal(read.rows.length, 1)
  const writing = [
    `with slept as (select pg_sleep(0.3)) select from slept`,
    { name: 'sleep', text: 'select pg_sleep(0.3)', writes: true },
  ] as const
  for (const statement of writing) {
    await Promise.all([
      assert.rejects(pool.query(statement), { code: 'database_unavailable' }),
      until('it was broken', breakOne),
    ])
  }
})

test('plans go by keys, and none is compiled for a table that must be scanned', async (t) => {
  const ask = { url: db.url, statementTimeoutMs: 2_000, applicationName: 'farthing plans' }
  const pool = openPool({ ...ask, max: 1 })
  t.after(pool.end)
  const ledger = await connectLedger({ ...ask, lockTimeoutMs: 1_000 })
  t.after(ledger.close)
  for (const session of [pool, ledger]) {
    const { rows } = await session.query(
      `select current_setting('enable_seqscan') as scans, current_setting('jit') as compiled`,
    )
    // Citus plans each time, by the size that its tables have.
    assert.deepEqual(rows, [{ scans: onCitus() ? 'on' : 'off', compiled: 'off' }])
  }
})

test('columns come exact: bigints, microseconds, and arrays of both', async () => {
  const { rows } = await db.pool.query(`select
    9007199254740993::bigint as big,
    array[9007199254740993, null]::bigint[] as bigs,
    '2026-01-02 03:04:05.678901+05:30'::timestamptz as at,
    '1969-12-31 23:59:59.999999Z'::timestamptz as before_epoch,
    array['2026-01-02 03:04:05Z', null]::timestamptz[] as times,
    null::bigint as nothing,
    '0198F3C2-E1B7-7C3A-9D5E-0F1A2B3C4D5E'::uuid as id,
    '2026-01-02'::date as day`)
  assert.deepEqual(rows[0], {
    big: 9007199254740993n,
    bigs: [9007199254740993n, null],
    at: parseTime('2026-01-01T21:34:05.678901Z'),
    before_epoch: -1n,
    times: [parseTime('2026-01-02T03:04:05Z'), null],
    nothing: null,
    id: '0198f3c2-e1b7-7c3a-9d5e-0f1a2b3c4d5e',
    day: '2026-01-02',
  })
})

test('a time goes in and comes out the same', async () => {
  const at = parseTime('2026-07-08T09:10:11.123457Z')
  assert(at)
  const { rows } = await db.pool.query<{ at: bigint }>('select $1::timestamptz as at', [
    printTime(at),
  ])
  assert.equal(rows[0]?.at, at)
})

test('what is no moment is refused, not guessed', async () => {
  await assert.rejects(db.pool.query(`select 'infinity'::timestamptz`), /outside of what is stored/)
})

test('the ledger does not work on a server that may forget, whenever it connects', async () => {
  const options = {
    statementTimeoutMs: 2_000,
    lockTimeoutMs: 1_000,
    applicationName: 'farthing test',
  }
  const careless = await freshDatabase()
  await (await connectLedger({ ...options, url: careless.url })).close()
  const name = new URL(careless.url).pathname.slice(1)
  await careless.pool.query(
    `alter role current_user in database ${name} set synchronous_commit = off`,
  )
  await assert.rejects(connectLedger({ ...options, url: careless.url }), (error) => {
    assert(error instanceof AppError && error.code === 'database_unavailable', String(error))
    assert.deepEqual(error.facts, {}, 'nothing of it is for callers')
    assert(error.cause instanceof Error)
    assert.match(error.cause.message, /synchronous_commit is off.*set it to on/)
    return true
  })
  await careless.drop()
})

test('the ledger connection reads columns alike, and answers a pipeline in order', async () => {
  const ledger = await connectLedger({
    url: db.url,
    statementTimeoutMs: 2_000,
    lockTimeoutMs: 1_000,
    applicationName: 'farthing test',
  })
  const one = { name: 'one', text: 'select $1::bigint as n' }
  const answers = await Promise.all(
    [1n, 2n, 3n].map(async (n) => await ledger.query<{ n: bigint }>(one, [n])),
  )
  assert.deepEqual(
    answers.map(({ rows }) => rows[0]?.n),
    [1n, 2n, 3n],
  )
  const { rows } = await ledger.query('show lock_timeout')
  assert.deepEqual(rows, [{ lock_timeout: '1s' }])
  await ledger.close()
  assert(!ledger.usable())
})

/** Hands everything on to the server, and counts the pieces that come from the client. */
async function countingRelay(url: string) {
  const target = new URL(url)
  const [port, host] = [Number(target.port), target.hostname]
  const seen = { pieces: 0 }
  const relay = createServer((client) => {
    const server = connect(port, host)
    client.on('data', () => (seen.pieces += 1))
    client.pipe(server).pipe(client)
    for (const socket of [client, server]) socket.on('error', () => undefined)
  }).listen(0, '127.0.0.1')
  await once(relay, 'listening')
  target.hostname = '127.0.0.1'
  target.port = String((relay.address() as AddressInfo).port)
  return { url: target.href, seen, close: () => relay.close() }
}

test('what is gathered stays until it is let go, and leaves in one piece', async () => {
  const relay = await countingRelay(db.url)
  const ledger = await connectLedger({
    url: relay.url,
    statementTimeoutMs: 5_000,
    lockTimeoutMs: 1_000,
    applicationName: 'farthing test',
  })
  const ask = async () => await Promise.all([1, 2, 3, 4].map(async (n) => await askFor(n)))
  const askFor = async (n: number) =>
    (await ledger.query<{ n: number }>({ name: 'gathered', text: 'select $1::int as n' }, [n])).rows
  const right = [1, 2, 3, 4].map((n) => [{ n }])
  assert.deepEqual(await ask(), right)

  const before = relay.seen.pieces
  const send = ledger.gather()
  const answers = ask()
  await db.pool.query('select 1') // a round trip to the same server, on another connection
  assert.equal(relay.seen.pieces, before)
  send()
  assert.deepEqual(await answers, right)
  assert.equal(relay.seen.pieces, before + 1)
  await ledger.close()
  relay.close()
})
