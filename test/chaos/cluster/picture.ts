import { chmodSync, mkdirSync, readFileSync, readlinkSync, rmSync, watch } from 'node:fs'
import type { FSWatcher } from 'node:fs'
import { join } from 'node:path'
import { down } from '../../../src/bin/cluster/down.ts'
import { claimFolder } from '../../../src/bin/cluster/folder.ts'
import { machineFor } from '../../../src/bin/cluster/machine.ts'
import { ports } from '../../../src/bin/cluster/places.ts'
import type { Kind } from '../../../src/bin/cluster/places.ts'
import { ask } from '../../../src/bin/cluster/processes/control.ts'
import { isAlive } from '../../../src/bin/cluster/processes/process.ts'
import type { Running } from '../../../src/bin/cluster/processes/process.ts'
import { lookAt } from '../../../src/bin/cluster/status/look.ts'
import { up } from '../../../src/bin/cluster/up.ts'
import { until } from '../../kit/until.ts'
import { disksIn, mountSmallDisk, unmountDisk } from '../kit/disk.ts'
import { clockEnvironment, clockLibrary } from './faults/clock.ts'
import { createNetwork, removeGroups } from './faults/network.ts'
import type { Host, Network } from './faults/network.ts'
import type { Addresses } from './load/insistent.ts'
import { findMissing, restartWith } from './standing.ts'

/** `farthing cluster up`, with what is needed to break it. */
export type Picture = Readonly<{
  apis: Addresses
  /** By way of a balancer, as a server has it. */
  databaseUrl: string
  dir: string
  network: Network
  /** Where each process is, whatever it is doing. */
  hosts: (kind: Kind) => readonly Host[]
  /** Of what runs there: the process that is kept alive, and PostgreSQL beside its Patroni. */
  pidsOf: (host: Host) => Pids
  /** Which of its kind has that role now, as `primary`; null: none, or it does not say. */
  withRole: (role: string) => Promise<readonly Host[]>
  folderOf: (host: Host) => string
  /** Whether wall clocks of servers and workers can be moved, and the disks of databases filled. */
  hasClocks: boolean
  hasDisks: boolean
  /** What is not as it should be; null when all is well. */
  missing: () => Promise<string | null>
  /** Of the primary: each one that was promoted has begun another. Null without a primary. */
  timeline: () => Promise<number | null>
  /** Nobody starts it again until that is asked for. */
  keepDown: (host: Host) => Promise<void>
  startAgain: (host: Host) => Promise<void>
  /** What happens to processes from now on is nobody's to care for. */
  leave: () => Promise<void>
}>

/** What the load needs: no limit but the machine's, and bank transfers that come to an end soon. */
const settings = {
  RATE_LIMITS: 'off',
  LIMITS: 'off',
  SANDBOX_SETTLE_MS: '300',
  TOKEN_TTL_SECONDS: '300',
  ARGON2_MEMORY_KIB: '64',
  ARGON2_PASSES: '1',
}
const ours: readonly Kind[] = ['auth', 'server', 'worker']
const NET = '127.77.0'
/** An hour of failovers: each begins a timeline, with files of the log of its own. */
const DISK_MB = 2_500

export type Pids = Readonly<{ kept: number | null; postmaster: number | null }>

/**
 * Brings a cluster up in the network namespace that this process is in.
 *
 * @param name Of that namespace.
 * @param smallDisks Whether each database is on a disk of its own that can be filled.
 */
export async function raise(
  name: string,
  dir: string,
  smallDisks: boolean,
  say: (line: string) => void,
): Promise<Picture> {
  const cluster = { net: NET, dir }
  const machine = machineFor(cluster, claimFolder(dir))
  const { places } = machine
  const folder = (host: Host): string => join(dir, host.name)
  const disks = places.postgres.map(folder)
  const hasDisks = smallDisks && disks.every(mountDisk)
  const network = await createNetwork(name, Object.values(places).flat())
  const settling = settleAll(dir, network)
  await up(cluster, { install: false }, say)
  await restartWith(machine, ours, ({ name }) => ({ ...settings, ...clockOf(dir, name) }))
  const missing = async (): Promise<string | null> => await findMissing(machine)
  await until('the cluster is whole', async () => (await missing()) === null)
  const [one = '', two = ''] = places.balancer.map(
    ({ address }) => `http://${address}:${ports.api}`,
  )
  const [server] = places.server
  return {
    apis: [one, two],
    databaseUrl: (server && machine.processOf(server).env['DATABASE_URL']) ?? '',
    dir,
    network,
    hosts: (kind) => places[kind],
    pidsOf: (host) => ({
      kept: runningIn(dir).get(host.name)?.pid ?? null,
      postmaster: postmasterIn(folder(host)),
    }),
    withRole: async (role) => {
      const { seen } = await lookAt(machine)
      return seen.filter((sight) => sight.role === role).map(({ place }) => place)
    },
    folderOf: folder,
    hasClocks: clockLibrary() !== null,
    hasDisks,
    missing,
    timeline: async () => {
      const { seen } = await lookAt(machine)
      const note = seen.find(({ role }) => role === 'primary')?.note ?? ''
      return Number(/timeline (\d+)/.exec(note)?.[1]) || null
    },
    keepDown: async ({ name: host }) => void (await ask(dir, { do: 'stop', names: [host] })),
    startAgain: async ({ name: host }) => void (await ask(dir, { do: 'start', names: [host] })),
    leave: async () => {
      await network.heal()
      settling.close()
    },
  }
}

/** Ends what was raised, however it was left, and takes away what it stood on. */
export async function raze(name: string, dir: string): Promise<void> {
  await down({ net: NET, dir }, { keep: true }, () => undefined)
  for (const disk of disksIn(dir)) unmountDisk(disk)
  rmSync(dir, { recursive: true, force: true, maxRetries: 5 })
  removeGroups(name)
}

/** A database's folder on a disk of its own. False where that is not allowed. */
function mountDisk(folder: string): boolean {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  if (!mountSmallDisk(folder, DISK_MB)) return false
  chmodSync(folder, 0o700)
  return true
}

/** Whatever the supervisor starts, and starts again, is at once where it belongs. */
function settleAll(dir: string, network: Network): FSWatcher {
  const settled = new Set<string>()
  return watch(join(dir, 'run'), () => {
    for (const [name, { pid, begun }] of runningIn(dir)) {
      if (settled.has(`${pid} ${begun}`) || name === 'supervisor') continue
      settled.add(`${pid} ${begun}`)
      network.settle(name, pid)
    }
  })
}

function runningIn(dir: string): ReadonlyMap<string, Running> {
  try {
    const text = readFileSync(join(dir, 'run', 'pids.json'), 'utf8')
    const all = Object.entries(JSON.parse(text) as Readonly<Record<string, Running>>)
    return new Map(all.filter(([, running]) => isAlive(running)))
  } catch {
    return new Map() // nothing runs yet
  }
}

/** Its file may be left from one that is gone, and its number somebody else's by now. */
function postmasterIn(folder: string): number | null {
  const data = join(folder, 'data')
  try {
    const pid = Number.parseInt(readFileSync(join(data, 'postmaster.pid'), 'utf8'), 10)
    return readlinkSync(`/proc/${pid}/cwd`) === data ? pid : null
  } catch {
    return null
  }
}

function clockOf(dir: string, name: string): Readonly<Record<string, string>> {
  return clockLibrary() === null ? {} : clockEnvironment(join(dir, name), name)
}
