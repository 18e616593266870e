import { type ChildProcess, spawn } from 'node:child_process'
import {
  copyFile,
  open,
  readdir,
  readFile,
  readlink,
  realpath,
  rm,
  stat,
  truncate,
} from 'node:fs/promises'
import { join } from 'node:path'
import type { Writable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { Client } from 'pg'
import { StartRefused } from '../../errors.ts'
import { type Places, type Secrets, settings, superuserUrl } from './cluster.ts'
import { type Identity, run } from './identity.ts'
import type { Programs } from './programs.ts'

/** A fast shutdown may take this long; after it an immediate one, which the next start recovers. */
const FAST_STOP_S = 4
/** Recovery after a crash replays at most `max_wal_size` of log. */
const READY_TIMEOUT_MS = 300_000
const READY_POLL_MS = 50
const ORPHAN_FAST_MS = 10_000
const ORPHAN_IMMEDIATE_MS = 5_000
const LOG_LIMIT_BYTES = 16 * 1024 * 1024
const LOG_TAIL_BYTES = 2_000

/**
 * Runs PostgreSQL and stops it as soon as descriptor 3 comes to its end: when the process that
 * holds the other end closes it or dies, be it by SIGKILL. Exits as PostgreSQL does.
 */
const guardian = `
"$@" 3<&- </dev/null &
postgres=$!
{
  read -r _ <&3
  kill -INT "$postgres"
  waited=0
  while [ "$waited" -lt ${FAST_STOP_S} ] && kill -0 "$postgres"; do
    sleep 1
    waited=$((waited + 1))
  done
  kill -QUIT "$postgres"
} 2>/dev/null &
watcher=$!
wait "$postgres"
code=$?
kill "$watcher" 2>/dev/null
exit "$code"
`

export type Postmaster = Readonly<{
  alive(): boolean
  /** Settles when PostgreSQL has ended, however that came about. */
  ended: Promise<void>
  /** Asks PostgreSQL to end. See FAST_STOP_S. */
  end(): void
}>

export type PostmasterParts = Readonly<{
  places: Places
  programs: Programs
  identity: Identity
  extraSettings: Readonly<Record<string, string>>
}>

/** Starts PostgreSQL. It is not yet ready to answer: see `untilReady`. */
export async function startPostmaster(
  { places, programs, identity, extraSettings }: PostmasterParts,
  port: number,
): Promise<Postmaster> {
  const options = Object.entries({ ...settings, ...extraSettings, port: String(port) })
  const command = [
    ...identity.prefix,
    'sh',
    '-c',
    guardian,
    'sh',
    programs.postgres,
    `-D${places.cluster}`,
    ...options.flatMap(([name, value]) => ['-c', `${name}=${value}`]),
  ]
  const [program = '', ...args] = command
  const log = await open(places.log, 'a', 0o600)
  try {
    const child = spawn(program, args, {
      cwd: '/',
      env: { PATH: process.env['PATH'] ?? '', LC_ALL: 'C', TZ: 'UTC' },
      stdio: ['ignore', log.fd, log.fd, 'pipe'],
      detached: true, // a session of its own: Ctrl-C in the terminal is for us to handle
    })
    return asPostmaster(child)
  } finally {
    await log.close()
  }
}

function asPostmaster(child: ChildProcess): Postmaster {
  const lifeline = child.stdio[3] as Writable
  // The other end may close first. That is the end of the child, which `ended` tells.
  lifeline.on('error', () => undefined)
  let alive = true
  const ended = new Promise<void>((resolve) => {
    const onEnd = (): void => {
      alive = false
      resolve()
    }
    child.once('exit', onEnd)
    child.once('error', onEnd)
  })
  return { alive: () => alive, ended, end: () => lifeline.destroy() }
}

/**
 * Waits until PostgreSQL answers.
 * @throws StartRefused when it ended before; the message holds the end of its log.
 */
export async function untilReady(
  postmaster: Postmaster,
  places: Places,
  secrets: Secrets,
): Promise<void> {
  const deadline = performance.now() + READY_TIMEOUT_MS
  while (postmaster.alive() && performance.now() < deadline) {
    if (await answers(secrets)) return
    await Promise.race([sleep(READY_POLL_MS), postmaster.ended])
  }
  await stopPostmaster(postmaster)
  throw new StartRefused(
    `PostgreSQL did not start. The end of ${places.log}:\n${await logTail(places)}`,
  )
}

export async function stopPostmaster(postmaster: Postmaster): Promise<void> {
  postmaster.end()
  await postmaster.ended
}

async function answers(secrets: Secrets): Promise<boolean> {
  const client = new Client({
    connectionString: superuserUrl(secrets),
    connectionTimeoutMillis: READY_TIMEOUT_MS,
  })
  client.on('error', () => undefined) // told by the query below
  try {
    await client.connect()
    await client.query('select 1')
    return true
  } catch {
    return false // not yet: whether it ever will is seen by whether it lives
  } finally {
    await client.end()
  }
}

/**
 * Ends a PostgreSQL that outlived its owner: it is on its way down, and this waits for that. Only
 * for the holder of the data directory's claim.
 */
export async function endOrphan(places: Places): Promise<void> {
  const pid = await postmasterPid(places)
  if (pid !== null && (await worksIn(pid, places))) await endPostmaster(pid, places)
  await endLeftBehind(places)
  // The number of a PostgreSQL that is dead may be another program's by now: the next would refuse.
  await rm(join(places.cluster, 'postmaster.pid'), { force: true })
}

async function endPostmaster(pid: number, places: Places): Promise<void> {
  const steps = [
    ['SIGINT', ORPHAN_FAST_MS],
    ['SIGQUIT', ORPHAN_IMMEDIATE_MS],
  ] as const
  for (const [signal, patienceMs] of steps) {
    sendSignal(pid, signal)
    const deadline = performance.now() + patienceMs
    while (performance.now() < deadline) {
      if (!(await worksIn(pid, places))) return
      await sleep(READY_POLL_MS)
    }
  }
  throw new StartRefused(
    `A PostgreSQL from an earlier start, process ${pid}, still runs in ${places.cluster} and ` +
      `does not stop. End it with \`kill -9 ${pid}\` and start again.`,
  )
}

/**
 * Ends the backends of a PostgreSQL whose first process was killed. They notice by themselves, but
 * not before their statement ends, and until then no other PostgreSQL can start on their files.
 */
async function endLeftBehind(places: Places): Promise<void> {
  const deadline = performance.now() + ORPHAN_IMMEDIATE_MS
  for (let left = await backendsIn(places); left.length > 0; left = await backendsIn(places)) {
    if (performance.now() > deadline) {
      throw new StartRefused(
        `Processes of an earlier PostgreSQL still run in ${places.cluster} and do not stop. End ` +
          `them with \`kill -9 ${left.join(' ')}\` and start again.`,
      )
    }
    for (const pid of left) sendSignal(pid, 'SIGQUIT')
    await sleep(READY_POLL_MS)
  }
}

/** Elsewhere than on Linux nobody tells where a process works, and the start is refused instead. */
async function backendsIn(places: Places): Promise<readonly number[]> {
  if (process.platform !== 'linux') return []
  const pids = (await readdir('/proc')).map(Number).filter((pid) => pid > 0)
  const ours = await Promise.all(
    pids.map(async (pid) => (await worksIn(pid, places)) && (await isBackend(pid))),
  )
  return pids.filter((_, index) => ours[index])
}

/** Someone may have gone to that directory to look around. */
async function isBackend(pid: number): Promise<boolean> {
  try {
    return (await readFile(`/proc/${pid}/cmdline`, 'utf8')).startsWith('postgres: ')
  } catch {
    return false // it has just ended
  }
}

/** The process id that PostgreSQL left in its lock file, alive or not. */
export async function postmasterPid(places: Places): Promise<number | null> {
  const pid = Number.parseInt(await lockFileOf(places), 10)
  return pid > 0 ? pid : null
}

/** Empty when there is none. A PostgreSQL that ends takes it along at any moment. */
async function lockFileOf(places: Places): Promise<string> {
  try {
    return await readFile(join(places.cluster, 'postmaster.pid'), 'utf8')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return ''
    throw error
  }
}

/** Whether a process works in the cluster's directory, as those of PostgreSQL do. */
async function worksIn(pid: number, places: Places): Promise<boolean> {
  if (process.platform !== 'linux') {
    const { output } = await run(['ps', '-o', 'command=', '-p', String(pid)], {})
    return output.includes('postgres') && output.includes(places.cluster)
  }
  try {
    return (await readlink(`/proc/${pid}/cwd`)) === (await realpath(places.cluster))
  } catch {
    return false // no such process, or one that is not ours to look at
  }
}

function sendSignal(pid: number, signal: 'SIGINT' | 'SIGQUIT'): void {
  try {
    process.kill(pid, signal)
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error
  }
}

/** Keeps the log below its limit: what is over goes to one older file. */
export async function boundLog(places: Places): Promise<void> {
  const log = await stat(places.log, { throwIfNoEntry: false })
  if (log === undefined || log.size < LOG_LIMIT_BYTES) return
  // PostgreSQL holds the file open to append, so it is emptied rather than moved away.
  await copyFile(places.log, `${places.log}.1`)
  await truncate(places.log)
}

async function logTail(places: Places): Promise<string> {
  const text = await readFile(places.log, 'utf8')
  return text.slice(-LOG_TAIL_BYTES).trim()
}
