import type { Config } from '../../config.ts'
import type { Readiness } from '../../ops/health.ts'
import { createLog } from '../../ops/log.ts'
import { createOperatorServer } from '../../ops/operators.ts'
import { createTelemetry, mergeSnapshots } from '../../ops/telemetry.ts'
import type { MetricsText, ProcessCounts, Snapshot, Telemetry } from '../../ops/telemetry.ts'
import { listenOperators } from '../listen.ts'
import type { Place } from './keep.ts'
import type { Member } from './member.ts'
import { openReloadDoor } from './reload/door.ts'

/** To each process, for what operators want to know. */
const TELL_WITHIN_MS = 1_500

/** Places by what stands in them. */
export type Group = Readonly<{ server: readonly Place[] }> &
  Readonly<Record<string, readonly Place[]>>

/**
 * The doors of whoever started a group: one for operators, and one for `farthing reload`. From now
 * on it logs what goes wrong here; the doors open when there is a group.
 */
export function createGroupDoors(config: Config): Readonly<{
  /** Gives the operators' address. @throws StartRefused when its port cannot be had. */
  open: (group: Group) => Promise<string>
  close: () => Promise<void>
}> {
  let group: Group = { server: [] }
  const log = createLog(config.environment, 'primary')
  const telemetry = createTelemetry({ log, processCounts: () => countProcesses(group) })
  const closers: (() => Promise<void>)[] = []
  return {
    open: async (found) => {
      group = found
      const door = createOperatorServer({
        metrics: async () => await groupMetrics(telemetry, group),
        readiness: async () => await groupReadiness(group),
      })
      const { operators, close } = await listenOperators(door, config)
      closers.push(close, await openReloadDoor(config, renewable(group)))
      return operators
    },
    close: async () => {
      await Promise.all(closers.map(async (close) => await close()))
    },
  }
}

/** The auth layer stays: its port is free only when it is gone. */
function renewable({ server, worker = [] }: Group): readonly Place[] {
  return [...server, ...worker]
}

/** What all processes make together. One that does not answer is left out. */
async function groupMetrics(own: Telemetry, group: Group): Promise<MetricsText> {
  const members = Object.values(group).flat().flatMap(everyoneIn)
  const asked = members.map(async ({ link }) => {
    return (await link.ask('metrics', null, TELL_WITHIN_MS)) as Snapshot
  })
  const told = await Promise.allSettled(asked)
  const snapshots = told.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))
  return await mergeSnapshots([await own.snapshot(), ...snapshots])
}

/** Whether at least one server takes traffic, and what keeps others from it. */
async function groupReadiness({ server }: Group): Promise<Readiness> {
  const asked = server.map(async (place) => {
    return (await place.member().link.ask('readiness', null, TELL_WITHIN_MS)) as Readiness
  })
  const told = (await Promise.allSettled(asked)).flatMap((one) => {
    return one.status === 'fulfilled' ? [one.value] : []
  })
  const ready = told.filter((one) => one.ready).length
  const wrong = told.flatMap(({ checks }) => {
    return Object.entries(checks).filter(([, state]) => state !== 'ok')
  })
  const checks = { ...told[0]?.checks, ...Object.fromEntries(wrong) }
  const standing = ready === server.length ? 'ok' : `${ready} of ${server.length}`
  return {
    ready: ready > 0,
    checks: { ...checks, servers: standing },
    servers: { wanted: server.length, ready },
  }
}

function everyoneIn(place: Place): readonly Member[] {
  return [place.member(), ...place.leaving()].filter((member) => !member.hasEnded())
}

function countProcesses(group: Group): ProcessCounts {
  return Object.entries(group).flatMap(([role, places]) => {
    const ready = places.filter((place) => place.member().isReady()).length
    const leaving = places.flatMap((place) => place.leaving()).length
    return [
      { role, state: 'ready', count: ready },
      { role, state: 'not_ready', count: places.length - ready },
      { role, state: 'leaving', count: leaving },
    ]
  })
}
