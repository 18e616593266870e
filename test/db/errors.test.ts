import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { after, before, test } from 'node:test'
import { DatabaseError } from 'pg'
import { isLostConnection, isUniqueViolation, toAppError } from '../../src/db/errors.ts'
import { connectLedger, openPool, type Pool } from '../../src/db/pool.ts'
import { inTransaction } from '../../src/db/tx.ts'
import { asSuperuser, type FreshDatabase, freshDatabase } from '../kit/database.ts'
import { AppError } from '../../src/errors.ts'
import { refusedAs } from '../kit/refused.ts'

let db: FreshDatabase
before(async () => {
  db = await freshDatabase()
})
after(async () => await db.drop())

const settings = { max: 2, statementTimeoutMs: 300, applicationName: 'farthing test' }

/** Runs a test against a pool at a changed address. */
async function withPool(change: (url: URL) => void, work: (pool: Pool) => Promise<void>) {
  const url = new URL(db.url)
  change(url)
  const pool = openPool({ ...settings, url: url.href })
  try {
    await work(pool)
  } finally {
    await pool.end()
  }
}

test('the end of a session is known in any language', () => {
  for (const code of ['57P01', '57P02', '25P03', '25P04', '08006']) {
    const error = new DatabaseError('Verbindung wird abgebrochen', 1, 'error')
    Object.assign(error, { severity: 'FATALE', code })
    assert(isLostConnection(error), code)
    assert(toAppError(error) instanceof AppError, code)
  }
})

const asItIs = (): void => undefined

async function refusesToConnect(change: (url: URL) => void): Promise<void> {
  await withPool(change, async (pool) => {
    await refusedAs('database_unavailable', pool.query('select 1'))
    const work = inTransaction(pool, async () => undefined, { lockTimeoutMs: 100 })
    await refusedAs('database_unavailable', work)
  })
  const url = new URL(db.url)
  change(url)
  const asked = { url: url.href, statementTimeoutMs: 300, lockTimeoutMs: 300, applicationName: 't' }
  await refusedAs('database_unavailable', connectLedger(asked))
}

/** A server that treats each connection the same way. */
async function withServer(
  onConnection: (socket: Socket) => void,
  work: (change: (url: URL) => void) => Promise<void>,
): Promise<void> {
  const server: Server = createServer((socket) => {
    socket.on('error', () => undefined)
    onConnection(socket)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  try {
    await work((url) => {
      url.port = String(port)
    })
  } finally {
    server.close()
  }
}

test('nobody listens', async () => {
  await refusesToConnect((url) => {
    url.port = '1'
  })
})

test('the name of the server does not resolve', async () => {
  await refusesToConnect((url) => {
    url.hostname = 'nowhere.invalid'
  })
})

test('the password is wrong', async (t) => {
  if (new URL(db.url).password === '') {
    t.skip('the cluster under test lets everybody in without one')
    return
  }
  await refusesToConnect((url) => {
    url.password = 'wrong'
  })
})

test('there is no such database', async () => {
  await refusesToConnect((url) => {
    url.pathname = 'nothing_here'
  })
})

test('the server speaks no TLS', async () => {
  await refusesToConnect((url) => {
    url.searchParams.set('sslmode', 'verify-full')
  })
})

test('the server has no connection left', async () => {
  const name = new URL(db.url).pathname.slice(1)
  await asSuperuser(`alter database ${name} connection limit 0`)
  await refusesToConnect(asItIs)
  await asSuperuser(`alter database ${name} connection limit -1`)
})

test('the server hangs up at once', async () => {
  await withServer(
    (socket) => socket.destroy(),
    async (change) => await refusesToConnect(change),
  )
})

test('the server resets the connection', async () => {
  await withServer(
    (socket) => socket.resetAndDestroy(),
    async (change) => await refusesToConnect(change),
  )
})

test('the server never says a word', { timeout: 30_000 }, async () => {
  await withServer(
    () => undefined,
    async (change) => await refusesToConnect(change),
  )
})

test('a statement takes too long', async () => {
  await withPool(asItIs, async (pool) => {
    await refusedAs('database_unavailable', pool.query('select pg_sleep(5)'))
  })
})

test('the server ends the connection under a statement', async () => {
  await withPool(asItIs, async (pool) => {
    const suicide = 'select pg_terminate_backend(pg_backend_pid())'
    await refusedAs('database_unavailable', pool.query(suicide))
    assert.equal((await pool.query('select 1')).rowCount, 1)
  })
})

test('all connections are lent, and none comes back in time', { timeout: 30_000 }, async () => {
  await withPool(asItIs, async (pool) => {
    const lent = [await pool.lend(), await pool.lend()]
    await refusedAs('database_unavailable', pool.query('select 1'))
    for (const connection of lent) connection.giveBack()
  })
})

test('too many callers wait', async () => {
  await withPool(asItIs, async (pool) => {
    const lent = [await pool.lend(), await pool.lend()]
    const waiting = Array.from({ length: 100 }, async () => await pool.query('select 1'))
    await refusedAs('overloaded', pool.query('select 1'))
    for (const connection of lent) connection.giveBack()
    await Promise.all(waiting)
  })
})

test('the pool was closed', async () => {
  const pool = openPool({ ...settings, url: db.url })
  await pool.end()
  await refusedAs('database_unavailable', pool.query('select 1'))
})

test('the database is read-only', async () => {
  const lent = await db.pool.lend()
  await lent.query('begin read only')
  await refusedAs('database_unavailable', lent.query('create table never (id int)'))
  lent.destroy()
})

test('the disk is full', async () => {
  const full = `do $$ begin
    raise exception 'could not extend file "base/1/2": No space left on device'
      using errcode = '53100';
  end $$`
  await refusedAs('storage_full', db.pool.query(full))
})

test('a broken rule of a table is told as it is', async () => {
  await db.pool.query('create table one (id int, constraint one_pkey primary key (id))')
  await assert.rejects(db.pool.query('insert into one values (1), (1)'), (error) => {
    return isUniqueViolation(error, 'one_pkey') && !isUniqueViolation(error, 'other')
  })
})

test('the ledger connection tells that it broke, and pipelined statements fail with it', async () => {
  const asked = { url: db.url, statementTimeoutMs: 300, lockTimeoutMs: 300, applicationName: 't' }
  const ledger = await connectLedger(asked)
  const statements = [
    ledger.query('select 1'),
    ledger.query('select pg_terminate_backend(pg_backend_pid())'),
    ledger.query('select 2'),
  ]
  assert.equal((await statements[0]!).rowCount, 1)
  await refusedAs('database_unavailable', statements[1]!)
  await refusedAs('database_unavailable', statements[2]!)
  assert(!ledger.usable())
  await refusedAs('database_unavailable', ledger.query('select 3'))
  await ledger.close()
})
