import { readConfig } from '../config.ts'
import { createLog } from '../ops/log.ts'
import { createOperatorServer } from '../ops/operators.ts'
import { createTelemetry } from '../ops/telemetry.ts'
import { createQuotas } from '../quotas.ts'
import { buildDoors } from './build.ts'
import { listenApi, listenOperators } from './listen.ts'
import { serveTogether } from './processes/serve-together.ts'
import { runInSharedHouse } from './shared-house.ts'
import { startJobs } from './work/start-jobs.ts'

/** The API alone, beside workers elsewhere, until it is told to stop. */
export async function serve(): Promise<number> {
  // Where a balancer spreads the load over machines, it spreads it over processes as well.
  const { servers = 1 } = readConfig(process.env)
  return servers > 1 ? await serveTogether(servers) : await serveAlone()
}

async function serveAlone(): Promise<number> {
  return await runInSharedHouse(async (house) => {
    const { config } = house.site
    const log = createLog(config.environment, 'server')
    const quotas = config.rateLimits ? createQuotas(house.clock, null) : null
    const doors = buildDoors(house, { log, quotas })
    const { telemetry, health } = doors
    const { api, close } = await listenApi(doors, config)
    const operators = createOperatorServer({
      metrics: telemetry.metrics,
      readiness: health.readiness,
    })
    const { close: closeOperators } = await listenOperators(operators, config)
    console.log(`Farthing serves at ${api}.`)
    return { close: async () => await Promise.all([closeOperators(), close()]) }
  })
}

/** Jobs alone, in any number of processes, until it is told to stop. */
export async function work(): Promise<number> {
  return await runInSharedHouse(async (house) => {
    const { environment, jobs: settings } = house.site.config
    const log = createLog(environment, 'worker')
    createTelemetry({ log, poolCounts: house.pool.counts })
    await house.cache.start()
    const jobs = await startJobs(house)
    const where = settings.lambda ? `on AWS Lambda (${settings.lambda.functionName})` : 'here'
    console.log(`Farthing works: ${settings.concurrency} jobs at once, ${where}.`)
    return { close: jobs.stop }
  })
}
