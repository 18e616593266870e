import { readConfig } from '../config.ts'
import { loadKeys } from '../keys.ts'
import { buildDoors, buildHouse, startJobs } from './build.ts'
import { ownDatabase, prepareDatabase } from './database.ts'
import { seedDemo } from './demo.ts'
import { listen, type Listening } from './listen.ts'
import { stopInTime, untilToldToStop } from './stop.ts'

/** Everything on one machine, until it is told to stop. */
export async function start(): Promise<number> {
  const config = readConfig(process.env)
  const toldToStop = untilToldToStop()
  const database = await ownDatabase(config)
  const closers: (() => Promise<unknown>)[] = [database.stop]
  try {
    // After the database is ours: of two starts at once, one makes the keys.
    const house = buildHouse({ config, keys: await loadKeys(config), url: database.url })
    closers.unshift(house.close)
    await prepareDatabase(house.pool, database.url)
    const doors = await listen(buildDoors(house), config)
    const jobs = startJobs(house)
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

function greeting(
  { api, operators }: Listening,
  { environment, dataDir, databaseUrl }: ReturnType<typeof readConfig>,
): string {
  const rows = [
    ['API', api],
    ['Reference', `${api}/docs`],
    ['Operators', `${operators}/metrics`],
    ...(environment === 'development' ? [['Mailbox', `${api}/dev/mailbox`]] : []),
    ['Database', databaseUrl === null ? `embedded, in ${dataDir}` : 'as DATABASE_URL says'],
  ]
  const lines = rows.map(([name = '', value]) => `  ${name.padEnd(10)} ${value}`)
  return [`Farthing is ready (${environment}).`, ...lines].join('\n')
}
