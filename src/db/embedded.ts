import { channel } from 'node:diagnostics_channel'
import { randomInt } from 'node:crypto'
import { realpath } from 'node:fs/promises'
import { createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { StartRefused } from '../errors.ts'
import { claimDirectory } from './embedded/claim.ts'
import {
  ensureCluster,
  ensureDatabase,
  ensureHome,
  newSecrets,
  placesIn,
  type Places,
  readSecrets,
  roleUrl,
  type Secrets,
  superuserUrl,
  writeSecrets,
} from './embedded/cluster.ts'
import { chooseIdentity } from './embedded/identity.ts'
import {
  boundLog,
  endOrphan,
  type Postmaster,
  type PostmasterParts,
  postmasterPid,
  startPostmaster,
  stopPostmaster,
  untilReady,
} from './embedded/postmaster.ts'
import { findPrograms } from './embedded/programs.ts'

/** Publishes `{ event: 'postgres_ended' | 'postgres_restarted' }`. */
const databaseChannel = channel('farthing:database.event')

/** Below the ports that systems give to outgoing connections, so that a restart finds it free. */
const FIRST_PORT = 20_000
const LAST_PORT = 29_999
const PORT_TRIES = 20
const RESTART_FIRST_MS = 100
const RESTART_LONGEST_MS = 5_000
const LOG_CHECK_MS = 60_000

export type Embedded = Readonly<{
  /** Stays the same for as long as this PostgreSQL is up, restarts included. */
  url: string
  /** For tests and benchmarks, which make databases. The service has no use for it. */
  superuserUrl: string
  /** The process id of PostgreSQL, null while it is down. */
  pid(): Promise<number | null>
  stop(): Promise<void>
}>

export type EmbeddedOptions = Readonly<{
  /** The data directory. It is made when it is missing. */
  dir: string
  /** Settings of PostgreSQL beside or instead of ours. */
  settings?: Readonly<Record<string, string>>
}>

/**
 * Runs a PostgreSQL of our own on a loopback port, and starts it again whenever it dies. It ends
 * with this process, also when that is killed.
 *
 * @throws DirectoryInUse when another process does the same in this directory.
 */
export async function startEmbedded(options: EmbeddedOptions): Promise<Embedded> {
  const programs = await findPrograms()
  const claim = await claimDirectory(options.dir)
  try {
    const places = placesIn(await realpath(options.dir))
    await ensureHome(places)
    const identity = await chooseIdentity(programs, places.home)
    await endOrphan(places)
    await boundLog(places)
    const parts = { places, programs, identity, extraSettings: options.settings ?? {} }
    const { secrets, postmaster } = await firstStart(parts)
    const keeper = keepRunning(parts, secrets, postmaster)
    return {
      url: roleUrl(secrets),
      superuserUrl: superuserUrl(secrets),
      pid: async () => await postmasterPid(places),
      stop: async () => {
        await keeper.stop()
        await claim.release()
      },
    }
  } catch (error) {
    await claim.release()
    throw error
  }
}

/** The address of the PostgreSQL that another process runs in this directory, if any did. */
export async function findEmbedded(dir: string): Promise<string | null> {
  const secrets = await readSecrets(placesIn(dir))
  return secrets && roleUrl(secrets)
}

async function firstStart(
  parts: PostmasterParts,
): Promise<{ secrets: Secrets; postmaster: Postmaster }> {
  const { places, programs, identity } = parts
  const secrets = await secretsWithFreePort(places)
  await writeSecrets(places, secrets)
  await ensureCluster(places, programs, identity, secrets)
  const postmaster = await startPostmaster(parts, secrets.port)
  await untilReady(postmaster, places, secrets)
  try {
    await ensureDatabase(secrets)
  } catch (error) {
    await stopPostmaster(postmaster)
    throw error
  }
  return { secrets, postmaster }
}

async function secretsWithFreePort(places: Places): Promise<Secrets> {
  const kept = await readSecrets(places)
  if (kept && (await isFree(kept.port))) return kept
  for (let tries = 0; tries < PORT_TRIES; tries += 1) {
    const port = randomInt(FIRST_PORT, LAST_PORT + 1)
    if (await isFree(port)) return kept ? { ...kept, port } : newSecrets(port)
  }
  throw new StartRefused(`No free port for PostgreSQL between ${FIRST_PORT} and ${LAST_PORT}.`)
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer()
  return await new Promise((resolve) => {
    server.once('error', () => resolve(false))
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => {
      server.close(() => resolve(true))
    })
  })
}

/** Starts PostgreSQL again whenever it ended by itself, at the same port, until it is stopped. */
function keepRunning(parts: PostmasterParts, secrets: Secrets, first: Postmaster) {
  const stopping = new AbortController()
  let current = first
  const logCheck = setInterval(() => {
    boundLog(parts.places).catch((error: unknown) => {
      databaseChannel.publish({ event: 'log_not_bounded', error })
    })
  }, LOG_CHECK_MS)
  logCheck.unref()

  async function watch(): Promise<void> {
    for (let failures = 0; ; failures += 1) {
      await current.ended
      if (stopping.signal.aborted) return
      databaseChannel.publish({ event: 'postgres_ended' })
      await pause(Math.min(RESTART_FIRST_MS * 2 ** failures, RESTART_LONGEST_MS), stopping.signal)
      if (stopping.signal.aborted) return
      if (await restart()) failures = -1
    }
  }

  async function restart(): Promise<boolean> {
    try {
      await endOrphan(parts.places)
      current = await startPostmaster(parts, secrets.port)
      if (stopping.signal.aborted) current.end()
      await untilReady(current, parts.places, secrets)
      databaseChannel.publish({ event: 'postgres_restarted' })
      return true
    } catch (error) {
      databaseChannel.publish({ event: 'postgres_not_restarted', error })
      return false
    }
  }

  const watching = watch()
  return {
    stop: async () => {
      clearInterval(logCheck)
      stopping.abort()
      current.end()
      await watching
    },
  }
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  try {
    await sleep(ms, undefined, { signal })
  } catch (error) {
    if (!signal.aborted) throw error
  }
}
