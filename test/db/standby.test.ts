import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Client } from 'pg'
import { placesIn } from '../../src/db/embedded/cluster.ts'
import { startEmbedded } from '../../src/db/embedded.ts'
import type { Embedded } from '../../src/db/embedded.ts'
import { guardDatabase } from '../../src/db/guard.ts'
import { connectLedger, openPool } from '../../src/db/pool.ts'
import type { Pool } from '../../src/db/pool.ts'
import { startProxy } from '../chaos/kit/proxy.ts'
import { refusedAs, startRefused } from '../kit/refused.ts'
import { until } from '../kit/until.ts'

/** Then nothing is known any more of where a standby was met. */
const FORGOTTEN_MS = 1_100
const limits = { statementTimeoutMs: 10_000, applicationName: 'farthing test' }

let dir: string
let embedded: Embedded
let pool: Pool
before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'farthing-incarnation-'))
  embedded = await startEmbedded({ dir })
  pool = open()
  await pool.query('create table thing (id int)')
})
after(async () => {
  await pool.end()
  await embedded.stop()
  await rm(dir, { recursive: true, force: true })
})

function open(statementTimeoutMs = limits.statementTimeoutMs): Pool {
  return openPool({ url: embedded.url, max: 3, ...limits, statementTimeoutMs })
}

/** How many commits wait for the standby. */
async function waitingCommits(): Promise<number> {
  return await asOperator(async (client) => {
    const text = `select count(*)::int as count from pg_stat_activity where wait_event = 'SyncRep'`
    return (await client.query<{ count: number }>(text)).rows[0]?.count ?? 0
  })
}

/** As an operator does it; one whose name nobody bears is a standby that is not there. */
async function waitForStandby(name: string): Promise<void> {
  await asOperator(async (client) => {
    await client.query(`alter system set synchronous_standby_names = '${name}'`)
    await client.query('select pg_reload_conf()')
    await until('the setting is known', async () => {
      const { rows } = await client.query<{ now: string }>(
        `select current_setting('synchronous_standby_names') as now`,
      )
      return rows[0]?.now === name
    })
  })
}

async function asOperator<T>(work: (client: Client) => Promise<T>): Promise<T> {
  return await plainly(embedded.superuserUrl, work)
}

/** On a connection that nothing of ours has prepared. */
async function plainly<T>(url: string, work: (client: Client) => Promise<T>): Promise<T> {
  const client = new Client({ connectionString: url })
  client.on('error', () => undefined)
  await client.connect()
  try {
    return await work(client)
  } finally {
    await client.end()
  }
}

/** A commit that waits for the standby. @returns the process that waits. */
async function commitInVain(id: number): Promise<number> {
  const client = new Client({ connectionString: embedded.url })
  client.on('error', () => undefined)
  await client.connect()
  const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid')
  client.query('insert into thing values ($1)', [id]).catch(() => undefined)
  const [{ pid } = { pid: 0 }] = rows
  await until(
    'the commit waits',
    async () =>
      await asOperator(async (operator) => {
        const text = `select from pg_stat_activity where pid = $1 and wait_event = 'SyncRep'`
        return (await operator.query(text, [pid])).rowCount === 1
      }),
  )
  return pid
}

/** Whether anybody who asks the server itself sees it. */
async function isShown(id: number): Promise<boolean> {
  return await plainly(embedded.url, async (client) => {
    return (await client.query('select from thing where id = $1', [id])).rowCount === 1
  }).catch(() => false)
}

async function read(from: Pool, id: number): Promise<boolean> {
  return (await from.query('select from thing where id = $1', [id])).rowCount === 1
}

const ways: Readonly<Record<string, (waiting: number) => Promise<void>>> = {
  'a session of it is killed': (waiting) => {
    process.kill(waiting, 'SIGKILL')
    return Promise.resolve()
  },
  'all of it is killed': async () => {
    const pid = await embedded.pid()
    assert(pid !== null)
    process.kill(pid, 'SIGKILL')
  },
}

for (const [index, [how, crash]] of Object.entries(ways).entries()) {
  test(`what only a server that crashed has is not read until its standby has it: ${how}`, async () => {
    const id = index + 1
    await waitForStandby('nobody')
    const waiting = await commitInVain(id)
    assert(!(await isShown(id)))
    await crash(waiting)
    await until('the commit is shown', async () => await isShown(id))

    const [other, ledger] = [open(), { url: embedded.url, lockTimeoutMs: 1_000, ...limits }]
    for (const asked of [pool, other]) await refusedAs('database_unavailable', read(asked, id))
    await refusedAs('database_unavailable', connectLedger(ledger))
    await waitForStandby('')
    for (const asked of [pool, other]) {
      assert(await until('it is read', async () => await read(asked, id).catch(() => false)))
    }
    await other.end()
  })
}

test('a server that stays up is read on new connections while it has no standby', async () => {
  await waitForStandby('nobody')
  const other = open()
  await commitInVain(9)
  assert(!(await read(other, 9)))
  await waitForStandby('')
  await until('it is read', async () => await read(other, 9))
  await other.end()
})

test('while commits wait for a standby that is gone no further one begins, and reads go on', async () => {
  await waitForStandby('nobody')
  const other = open(100)
  await other.query('select 1')
  const write = async () => await other.query('insert into thing values (0)')
  // It cannot be called back: its session waits on.
  await refusedAs('database_unavailable', write())
  await until('it counts as stuck', async () => {
    const ledger = { url: embedded.url, lockTimeoutMs: 1_000, ...limits }
    return await connectLedger(ledger).then(
      async (one) => await one.close().then(() => false),
      () => true,
    )
  })
  for (let tries = 0; tries < 5; tries += 1) {
    await refusedAs('database_unavailable', write())
    await refusedAs('database_unavailable', other.lend())
    assert(!(await read(other, 0)))
  }
  assert.equal(await waitingCommits(), 1)

  await waitForStandby('')
  await until('writes go on', async () => {
    return await write().then(
      () => true,
      () => false,
    )
  })
  await other.end()
})

test('a standby is not read, and is the primary for us once it has taken over', async () => {
  await pool.query('insert into thing values (10)')
  await writeFile(join(placesIn(dir).cluster, 'standby.signal'), '', { mode: 0o644 })
  const pid = await embedded.pid()
  assert(pid !== null)
  process.kill(pid, 'SIGKILL')
  await until('it is a standby', async () => {
    const text = 'select pg_is_in_recovery() as standby'
    return await asOperator(async (client) => {
      return (await client.query<{ standby: boolean }>(text)).rows[0]?.standby
    }).catch(() => false)
  })
  const other = open()
  await refusedAs('database_unavailable', read(other, 10))
  await startRefused(guardDatabase(other), /read-only standby: give the address of the primary/)
  await findPrimaryBeside()
  await asOperator(async (client) => void (await client.query('select pg_promote()')))
  assert(await until('it is read', async () => await read(other, 10).catch(() => false)))
  await other.end()
})

/** A balancer that has just begun may lead to a standby, while another one knows better. */
async function findPrimaryBeside(): Promise<void> {
  const primaryDir = await mkdtemp(join(tmpdir(), 'farthing-beside-'))
  const primary = await startEmbedded({ dir: primaryDir })
  const { port, password } = new URL(embedded.url)
  await plainly(primary.superuserUrl, async (client) => {
    await client.query(`alter role farthing password '${password}'`)
  })
  const proxy = await startProxy(primary.url, { host: '127.0.0.2', port: Number(port) })
  const url = embedded.url.replace('127.0.0.1', '127.0.0.1,127.0.0.2')
  const inPool = async (ask: (pool: Pool) => Promise<unknown>): Promise<void> => {
    const both = openPool({ url, max: 1, ...limits })
    try {
      await ask(both)
    } finally {
      await both.end()
    }
  }
  const first: readonly (() => Promise<void>)[] = [
    async () => await inPool(async (both) => await both.query('create table beside (id int)')),
    async () => await inPool(async (both) => (await both.lend()).giveBack()),
    async () => await (await connectLedger({ url, lockTimeoutMs: 1_000, ...limits })).close(),
  ]
  try {
    for (const asksFirst of first) {
      await sleep(FORGOTTEN_MS)
      await asksFirst()
    }
  } finally {
    await proxy.close()
    await primary.stop()
    await rm(primaryDir, { recursive: true, force: true })
  }
}
