import { readConfig } from '../config.ts'
import type { Config } from '../config.ts'
import { loadKeys } from '../keys.ts'
import { startAuth, withAuthAt } from './auth/child.ts'
import { buildDoors, buildHouse } from './build.ts'
import { ownDatabase, prepareDatabase, sharedPool } from './database.ts'
import { seedDemo } from './demo.ts'
import { listen, type Listening } from './listen.ts'
import { stopInTime, untilToldToStop } from './stop.ts'
import { startJobs } from './work/start-jobs.ts'

/** Everything on one machine, until it is told to stop. */
export async function start(): Promise<number> {
  const asked = readConfig(process.env)
  const toldToStop = untilToldToStop()
  const database = await ownDatabase(asked)
  const closers: (() => Promise<unknown>)[] = [database.stop]
  try {
    // After the database is ours: of two starts at once, one makes the keys.
    const keys = await loadKeys(asked)
    await prepareAlone(asked, database.url)
    const authChild = await startAuth(asked, database.url, toldToStop)
    closers.unshift(authChild.stop)
    const config = withAuthAt(asked, authChild.issuer)
    const house = buildHouse({ config, keys, url: database.url })
    closers.unshift(house.close)
    const doors = await listen(buildDoors(house), config)
    const jobs = await startJobs(house)
    closers.unshift(async () => await Promise.all([doors.close(), jobs.stop()]))
    console.log(greeting(doors, config))
    if (config.environment === 'development') {
      const demo = await Promise.race([seedDemo(house), toldToStop])
      if (demo !== undefined) console.log(demo)
    }
    await toldToStop
    console.log('Stopping.')
  } finally {
    await stopInTime(closers)
  }
  return 0
}

/** Before there is a house: the auth layer needs the tables as well. */
async function prepareAlone(config: Config, url: string): Promise<void> {
  const pool = sharedPool(config, url)
  try {
    await prepareDatabase(pool, url)
  } finally {
    await pool.end()
  }
}

function greeting(
  { api, operators }: Listening,
  { environment, dataDir, databaseUrl, auth }: Config,
): string {
  const rows = [
    ['API', api],
    ['Sign-in', auth.url],
    ['Reference', `${api}/docs`],
    ['Operators', `${operators}/metrics`],
    ...(environment === 'development' ? [['Mailbox', `${api}/dev/mailbox`]] : []),
    ['Database', databaseUrl === null ? `embedded, in ${dataDir}` : 'as DATABASE_URL says'],
  ]
  const lines = rows.map(([name = '', value]) => `  ${name.padEnd(10)} ${value}`)
  return [`Farthing is ready (${environment}).`, ...lines].join('\n')
}
