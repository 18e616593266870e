import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline/promises'
import { after, before, test, type TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'
import { Client } from 'pg'
import { type Embedded, startEmbedded } from '../../src/db/embedded.ts'
import { startRefused } from '../kit/refused.ts'
import { until } from '../kit/until.ts'

/** A directory that only its owner may enter, as a home directory: PostgreSQL must start in it. */
let dir: string
before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'farthing-embedded-'))
})
after(async () => await rm(dir, { recursive: true, force: true }))

type Told = { url?: string; pid?: number; refused?: string }

/** Another process that runs a PostgreSQL, at the latest until the test is over. */
async function startOwner(t: TestContext): Promise<{ process: ChildProcess; told: Told }> {
  const script = fileURLToPath(new URL('../kit/embedded-owner.ts', import.meta.url))
  const child = spawn(process.execPath, [script, dir], { stdio: ['pipe', 'pipe', 'inherit'] })
  t.after(() => child.kill('SIGKILL'))
  for await (const line of createInterface(child.stdout)) {
    return { process: child, told: JSON.parse(line) as Told }
  }
  throw new Error('The owner said nothing')
}

/** One in this process, at the latest until the test is over. Stopping it twice does no harm. */
async function start(t: TestContext): Promise<Embedded> {
  const embedded = await startEmbedded({ dir })
  t.after(embedded.stop)
  return embedded
}

async function sigkill(child: ChildProcess): Promise<void> {
  const exit = once(child, 'exit')
  child.kill('SIGKILL')
  await exit
}

async function ask(url: string, statement: string): Promise<unknown[]> {
  const client = new Client({ connectionString: url })
  client.on('error', () => undefined)
  await client.connect()
  try {
    return (await client.query<Record<string, unknown>>(statement)).rows
  } finally {
    await client.end()
  }
}

function lives(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

test('of many starters on a fresh directory one starts, and the others are told who', async (t) => {
  const owners = await Promise.all(Array.from({ length: 5 }, async () => await startOwner(t)))
  const started = owners.filter(({ told }) => told.url !== undefined)
  assert.equal(started.length, 1)
  const [winner] = started
  for (const { told } of owners) {
    if (told.refused === undefined) continue
    assert(told.refused.includes(`${dir} is in use by process ${winner!.process.pid}.`))
    assert.match(told.refused, /DATA_DIR/)
  }
  await startRefused(start(t), /in use by process/)
})

test('it dies with its owner, and what was committed is there at the next start', async (t) => {
  const { process: owner, told } = await startOwner(t)
  await ask(told.url!, 'create table kept as select 42 as n')
  await sigkill(owner)
  await until('PostgreSQL ends', async () => !lives(told.pid!))

  const next = await start(t)
  assert.deepEqual(await ask(next.url, 'select n from kept'), [{ n: 42 }])
  assert.equal(next.url, told.url)
  await next.stop()
})

test('a start right after a SIGKILL waits for the old PostgreSQL, and works', async (t) => {
  const { process: owner } = await startOwner(t)
  await sigkill(owner)
  const next = await start(t)
  assert.deepEqual(await ask(next.url, 'select n from kept'), [{ n: 42 }])
  await next.stop()
})

test('it recovers when owner and PostgreSQL were both killed', async (t) => {
  const { process: owner, told } = await startOwner(t)
  await ask(told.url!, 'insert into kept values (43)')
  process.kill(told.pid!, 'SIGSTOP') // so that it cannot end in good order
  await sigkill(owner)
  process.kill(told.pid!, 'SIGKILL')
  const next = await start(t)
  assert.deepEqual(await ask(next.url, 'select n from kept order by n'), [{ n: 42 }, { n: 43 }])
  await next.stop()
})

test('a statement that outlives both owner and PostgreSQL does not keep it from starting', async (t) => {
  const { process: owner, told } = await startOwner(t)
  // It only counts, and so does not notice that anything has happened.
  const counting = ask(told.url!, 'select count(*) from generate_series(1, 1000000000)')
  const lost = counting.catch((error: unknown) => String(error))
  await until('it counts', async () => {
    const asked =
      "select from pg_stat_activity where state = 'active' and query like 'select count%'"
    return (await ask(told.url!, asked)).length > 0
  })
  await sigkill(owner)
  process.kill(told.pid!, 'SIGKILL')
  const next = await start(t)
  assert.deepEqual(await ask(next.url, 'select n from kept order by n'), [{ n: 42 }, { n: 43 }])
  assert.match(String(await lost), /terminat(ed|ing)|ECONNRESET/)
  await next.stop()
})

test('when PostgreSQL itself is killed it comes back at the same address', async (t) => {
  const embedded = await start(t)
  for (let kills = 0; kills < 3; kills += 1) {
    const pid = await embedded.pid()
    process.kill(pid!, 'SIGKILL')
    await until('PostgreSQL answers again', async () => {
      const rows = await ask(embedded.url, 'select count(*) from kept').catch(() => null)
      return rows !== null && (await embedded.pid()) !== pid
    })
  }
  await embedded.stop()
})

test('its old process id, now of another program, does not keep it from starting', async (t) => {
  const lockFile = join(dir, 'postgres', 'cluster', 'postmaster.pid')
  await writeFile(lockFile, `${process.pid}\n${dir}/postgres/cluster\n1\n1\n\n127.0.0.1\n0 0\n`)
  const embedded = await start(t)
  assert.notEqual(await embedded.pid(), process.pid)
  await embedded.stop()
})

test('it takes another port when its own is taken', async (t) => {
  const first = await start(t)
  const { port } = new URL(first.url)
  await first.stop()
  const thief = createServer()
  thief.listen(Number(port), '127.0.0.1')
  t.after(() => thief.close())
  await once(thief, 'listening')
  const second = await start(t)
  assert.notEqual(new URL(second.url).port, port)
  assert.deepEqual(await ask(second.url, 'select count(*)::int as n from kept'), [{ n: 2 }])
  await second.stop()
})

test('it keeps what it commits, and only the password opens it', async (t) => {
  const embedded = await start(t)
  const rows = await ask(
    embedded.url,
    `select current_setting('fsync') as fsync, current_setting('data_checksums') as sums,
            current_setting('listen_addresses') as listens,
            (select rolsuper from pg_roles where rolname = current_user) as super`,
  )
  assert.deepEqual(rows, [{ fsync: 'on', sums: 'on', listens: '127.0.0.1', super: false }])
  const stranger = new URL(embedded.url)
  stranger.password = 'guess'
  await assert.rejects(ask(stranger.href, 'select 1'), /password authentication failed/)
  assert.equal((await stat(join(dir, 'postgres.json'))).mode & 0o777, 0o600)
  assert.equal((await stat(join(dir, 'postgres'))).mode & 0o777, 0o700)
  await embedded.stop()
})

test('it refuses files of another PostgreSQL, and says what to do', async (t) => {
  const version = join(dir, 'postgres', 'cluster', 'PG_VERSION')
  const own = await readFile(version, 'utf8')
  await writeFile(version, '17\n')
  await startRefused(start(t), /made by PostgreSQL 17.*pg_dump/)
  await writeFile(version, own)
})
