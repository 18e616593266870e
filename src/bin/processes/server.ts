import { createLog } from '../../ops/log.ts'
import { createQuotas } from '../../quotas.ts'
import type { Lease, LeaseQuota } from '../../quotas.ts'
import { buildDoors } from '../build.ts'
import { listenApi } from '../listen.ts'
import { runInSharedHouse } from '../shared-house.ts'
import { openLink } from './link.ts'
import { tellReady } from './member.ts'

/** Who counts requests for all servers is asked so long; then this one counts for itself. */
const LEASE_WITHIN_MS = 1_000
const HAND_OVER_WITHIN_MS = 1_000

/** One of the servers that share a port, until it is told to stop or to leave its place. */
export async function server(number: number): Promise<number> {
  const left = Promise.withResolvers<void>()
  return await runInSharedHouse(async (house) => {
    const { config } = house.site
    const log = createLog(config.environment, `server ${number}`)
    // Called when requests come, which is when there is a link.
    const lease: LeaseQuota = async (name, caller) => {
      return (await link.ask('lease', { name, caller }, LEASE_WITHIN_MS)) as Lease
    }
    const quotas = createQuotas(house.clock, lease)
    const doors = buildDoors(house, { log, quotas: config.rateLimits ? quotas : null })

    async function leave(): Promise<void> {
      doors.health.stop()
      await doors.app.leave()
      await link.ask('hand-over', quotas.handOver(), HAND_OVER_WITHIN_MS).catch(() => null)
    }

    const link = openLink(process, {
      metrics: doors.telemetry.snapshot,
      readiness: doors.health.readiness,
      'give-back': quotas.giveBack,
      leave: () => void leave().then(left.resolve),
    })
    const { close } = await listenApi(doors, config)
    tellReady(link)
    return { close, over: left.promise }
  })
}
