import { createLog } from '../../ops/log.ts'
import { createTelemetry } from '../../ops/telemetry.ts'
import { jobNames } from '../../queue/jobs.ts'
import { startJobs } from '../work/start-jobs.ts'
import { seedDemo } from '../work/demo.ts'
import { runInSharedHouse } from '../shared-house.ts'
import { openLink } from './link.ts'
import { tellReady } from './member.ts'

/** Jobs, and in development the demo users, until it is told to stop or to leave its place. */
export async function worker(): Promise<number> {
  const left = Promise.withResolvers<void>()
  return await runInSharedHouse(async (house) => {
    const { environment } = house.site.config
    const log = createLog(environment, 'worker')
    const telemetry = createTelemetry({ log, poolCounts: house.pool.counts, jobNames })
    const jobs = await startJobs(house)
    const link = openLink(process, {
      metrics: async () => await telemetry.snapshot(),
      seed: async () => await seedDemo(house),
      leave: left.resolve,
    })
    tellReady(link)
    return { close: jobs.stop, over: left.promise }
  })
}
