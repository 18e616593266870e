import { availableParallelism } from 'node:os'
import { readConfig } from '../config.ts'
import type { Config } from '../config.ts'
import { loadKeys } from '../keys.ts'
import { connectionsOf, warnOfConnections } from './processes/connections.ts'
import { ownDatabase, prepareDatabase, sharedPool } from './database.ts'
import { freePorts, printAddress } from './listen.ts'
import { launchAuth, launchWorker } from './processes/children.ts'
import { createGroupDoors } from './processes/doors.ts'
import { createCounting } from './processes/counting.ts'
import { allOrNone, keep, type Place, stopAll } from './processes/keep.ts'
import { type ServersAsk, type Settings, startServers } from './processes/servers.ts'
import { stopInTime, untilToldToStop } from './stop.ts'

/** Longer than the demo users ever wait for their money. */
const SEED_WITHIN_MS = 120_000

/**
 * Everything on one machine, until it is told to stop. This process starts and watches the others,
 * and hands out connections: it serves nobody, so that no load and no bug of a flow ends it.
 */
export async function start(): Promise<number> {
  const asked = readConfig(process.env)
  const toldToStop = untilToldToStop()
  const count = asked.servers ?? availableParallelism()
  const needed = connectionsOf(asked, { servers: count, workers: 1, auths: 1 })
  if (asked.databaseUrl === null) tell('Starting PostgreSQL …')
  const database = await ownDatabase(asked, needed)
  const closers: (() => Promise<unknown>)[] = [database.stop]
  try {
    // After the database is ours: of two starts at once, one makes the keys.
    await loadKeys(asked)
    const settings = await settingsFor(asked, database.url)
    const config = readConfig({ ...process.env, ...settings })
    const doors = createGroupDoors(config)
    tell('Preparing the books …')
    await prepareAlone(config, database.url, needed)
    tell(`Starting ${count} ${count === 1 ? 'server' : 'servers'}, a worker and the auth layer …`)
    const group = await startAll({ count, settings, answersFor: createCounting(), toldToStop })
    const { server, worker, auth } = group
    // Servers and jobs ask the auth layer, as long as they finish what they have begun.
    closers.unshift(auth.stop)
    closers.unshift(async () => await stopAll([...server, worker]))
    closers.unshift(doors.close)
    const operators = await doors.open({ server, worker: [worker], auth: [auth] })
    console.log(greeting(config, operators, asked.databaseUrl === null))
    if (config.environment === 'development') {
      const seeding = worker.member().link.ask('seed', null, SEED_WITHIN_MS)
      const demo = await Promise.race([seeding, toldToStop])
      if (typeof demo === 'string') console.log(demo)
    }
    await toldToStop
    console.log('Stopping.')
  } finally {
    await stopInTime(closers)
  }
  return 0
}

/** What takes seconds on a new machine, to whoever watches. Programs wait for the greeting. */
function tell(line: string): void {
  if (process.stderr.isTTY) console.error(line)
}

/** What the other processes are told beside our own settings: where all of them are. */
async function settingsFor(config: Config, databaseUrl: string): Promise<Settings> {
  const asked = { PORT: config.port, AUTH_PORT: config.auth.port }
  const { PORT, AUTH_PORT } = await freePorts(config.host, asked)
  return { DATABASE_URL: databaseUrl, PORT: String(PORT), AUTH_PORT: String(AUTH_PORT) }
}

async function startAll(ask: ServersAsk) {
  const { count, settings, toldToStop } = ask
  const places = await allOrNone([
    ...startServers(ask),
    keep(() => launchWorker(settings), toldToStop),
    keep(() => launchAuth(settings), toldToStop),
  ])
  const [worker, auth] = places.slice(count) as [Place, Place]
  return { server: places.slice(0, count), worker, auth }
}

/** Before there is a house: the auth layer needs the tables as well. */
async function prepareAlone(config: Config, url: string, needed: number): Promise<void> {
  const pool = sharedPool(config, url)
  try {
    await prepareDatabase(pool, url)
    await warnOfConnections(pool, needed)
  } finally {
    await pool.end()
  }
}

function greeting(
  { environment, dataDir, host, port, auth }: Config,
  operators: string,
  embedded: boolean,
): string {
  const api = printAddress(host, port)
  const rows = [
    ['API', api],
    ['Sign-in', auth.url],
    ['Reference', `${api}/docs`],
    ['Operators', `${operators}/metrics`],
    ...(environment === 'development' ? [['Mailbox', `${api}/dev/mailbox`]] : []),
    ['Database', embedded ? `embedded, in ${dataDir}` : 'as DATABASE_URL says'],
  ]
  const lines = rows.map(([name = '', value]) => `  ${name.padEnd(10)} ${value}`)
  return [`Farthing is ready (${environment}).`, ...lines].join('\n')
}
