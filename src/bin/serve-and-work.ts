import { readConfig } from '../config.ts'
import type { Config } from '../config.ts'
import type { Health } from '../ops/health.ts'
import { createLog } from '../ops/log.ts'
import { createOperatorServer } from '../ops/operators.ts'
import { createTelemetry } from '../ops/telemetry.ts'
import type { Telemetry } from '../ops/telemetry.ts'
import { jobNames } from '../queue/jobs.ts'
import { createQuotas } from '../quotas.ts'
import { buildDoors, databaseHealth } from './build.ts'
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
    const { close: closeOperators } = await openOperators(telemetry, health, config)
    console.log(`Farthing serves at ${api}.`)
    return { close: async () => await Promise.all([closeOperators(), close()]) }
  })
}

/** Jobs alone, in any number of processes, until it is told to stop. */
export async function work(): Promise<number> {
  return await runInSharedHouse(async (house) => {
    const { config } = house.site
    const { environment, jobs: settings } = config
    const log = createLog(environment, 'worker')
    const telemetry = createTelemetry({ log, poolCounts: house.pool.counts, jobNames })
    // Before a job runs: what came of it is told there alone.
    const health = databaseHealth(house.pool, {})
    const { operators, close } = await openOperators(telemetry, health, config)
    await house.cache.start()
    const jobs = await startJobs(house)
    const where = settings.lambda ? `on AWS Lambda (${settings.lambda.functionName})` : 'here'
    console.log(`Farthing works: ${settings.concurrency} jobs at once, ${where}.`)
    console.log(`Metrics: ${operators}/metrics`)
    return { close: async () => await Promise.all([close(), jobs.stop()]) }
  })
}

async function openOperators(
  { metrics }: Telemetry,
  { readiness }: Health,
  config: Config,
): ReturnType<typeof listenOperators> {
  return await listenOperators(createOperatorServer({ metrics, readiness }), config)
}
