import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { Kind } from '../../../../src/bin/cluster/places.ts'
import { fillDisk } from '../../kit/disk.ts'
import type { Random } from '../../kit/random.ts'
import type { Picture } from '../picture.ts'
import { setClock } from './clock.ts'
import type { Cut, Host } from './network.ts'
import { continueAll, killAll, stopAll } from './processes.ts'

/** What must hold while a fault lasts and until all is whole again. Nothing heard is ever wrong. */
export type Bar = Readonly<{
  /** The longest time without an answer about money. */
  writesWithinMs?: number
  /** No request fails once more when it is tried once more. */
  oneRetryHelps?: true
  /** No request fails at all. */
  nothingFails?: true
}>

export type Struck = Readonly<{ victims: readonly Host[]; heal: () => Promise<void> }>

export type Fault = Readonly<{
  name: string
  /** How long it lasts, at least and at most. What was killed is started again by its keeper. */
  lastsMs: readonly [number, number]
  bar: Bar
  /** Null: it cannot be done now. */
  strike: (picture: Picture, random: Random) => Promise<Struck | null>
}>

/** Of the issue: a primary that is killed is replaced within so long. */
const WRITES_BACK_MS = 15_000
const writesBack: Bar = { writesWithinMs: WRITES_BACK_MS }
/** One that is silent, and not dead, is given time to come back before it is replaced. */
const replaced: Bar = { writesWithinMs: 2 * WRITES_BACK_MS }

/** Chooses who it is about. */
type Whom = (picture: Picture, random: Random) => Promise<Host | null>

const oneOf = (hosts: readonly Host[], random: Random): Host | null =>
  hosts.length === 0 ? null : (hosts[random.below(hosts.length)] ?? null)
const any =
  (kind: Kind): Whom =>
  async ({ hosts }, random) =>
    oneOf(hosts(kind), random)
const having =
  (role: string): Whom =>
  async ({ withRole }, random) =>
    oneOf(await withRole(role), random)

const primary = having('primary')
const inStep = having('synchronous standby')
const redisMaster = having('master')

const healed = async (): Promise<void> => {}

/** Which processes of a host: all, or what keeps PostgreSQL, or PostgreSQL alone. */
type Part = 'all' | 'kept' | 'postmaster'

function rootsOf(picture: Picture, host: Host, part: Part): readonly number[] {
  const { kept, postmaster } = picture.pidsOf(host)
  const roots = part === 'all' ? [kept, postmaster] : [part === 'kept' ? kept : postmaster]
  return roots.filter((pid) => pid !== null)
}

function killed(what: string, whom: Whom, bar: Bar, part: Part = 'all'): Fault {
  return {
    name: `${what} killed`,
    lastsMs: [0, 0],
    bar,
    strike: async (picture, random) => {
      const host = await whom(picture, random)
      const roots = host ? rootsOf(picture, host, part) : []
      if (!host || roots.length === 0) return null
      killAll(roots)
      return { victims: [host], heal: healed }
    },
  }
}

function paused(what: string, whom: Whom, bar: Bar = {}, part: Part = 'all'): Fault {
  return {
    name: `${what} paused`,
    lastsMs: [1_000, 30_000],
    bar,
    strike: async (picture, random) => {
      const host = await whom(picture, random)
      const roots = host ? rootsOf(picture, host, part) : []
      if (!host || roots.length === 0) return null
      const pids = stopAll(roots)
      return { victims: [host], heal: async () => continueAll(pids) }
    },
  }
}

function parted(what: string, whom: Whom, from: readonly Kind[], cut: Cut, bar: Bar = {}): Fault {
  return {
    name: what,
    lastsMs: [2_000, 25_000],
    bar,
    strike: async (picture, random) => {
      const host = await whom(picture, random)
      if (!host) return null
      const others = from.flatMap(picture.hosts).filter(({ name }) => name !== host.name)
      for (const other of others) await picture.network.part(host, other, cut)
      return { victims: [host], heal: picture.network.heal }
    },
  }
}

/** Killed, and not started again: what has no other way stands still for all that time. */
function gone(what: string, whom: Whom, bar: Bar): Fault {
  return {
    name: `${what} gone`,
    lastsMs: [10_000, 30_000],
    bar,
    strike: async (picture, random) => {
      const host = await whom(picture, random)
      const roots = host ? rootsOf(picture, host, 'all') : []
      if (!host || roots.length === 0) return null
      killAll(roots)
      await picture.keepDown(host)
      return { victims: [host], heal: async () => await picture.startAgain(host) }
    },
  }
}

/** So long payments wait for a standby that will never hear of them. */
const PARTED_MS = 4_000

/** What the primary has written meanwhile, it alone has: none of it may have been answered. */
const killedAlone: Fault = {
  name: 'primary parted from its standbys, and then killed',
  lastsMs: [0, 0],
  bar: {},
  strike: async (picture, random) => {
    const parting = parted('', primary, ['postgres'], 'silent')
    const struck = await parting.strike(picture, random)
    const [host] = struck?.victims ?? []
    if (!struck || !host) return null
    await delay(PARTED_MS)
    killAll(rootsOf(picture, host, 'all'))
    return struck
  },
}

function reset(what: string, whom: Whom, bar: Bar = {}): Fault {
  return {
    name: `all connections of ${what} reset`,
    lastsMs: [0, 0],
    bar,
    strike: async (picture, random) => {
      const host = await whom(picture, random)
      if (!host) return null
      await picture.network.reset(host)
      return { victims: [host], heal: healed }
    },
  }
}

function diskFull(what: string, whom: Whom): Fault {
  return {
    name: `disk of ${what} full`,
    lastsMs: [3_000, 15_000],
    bar: {},
    strike: async (picture, random) => {
      const host = picture.hasDisks ? await whom(picture, random) : null
      if (!host) return null
      const ballast = join(picture.folderOf(host), 'ballast')
      await fillDisk(ballast)
      return { victims: [host], heal: async () => await rm(ballast, { force: true }) }
    },
  }
}

const HOUR_S = 3_600

function clockJumps(kind: Kind, seconds: number): Fault {
  return {
    name: `clock of a ${kind} jumps an hour ${seconds > 0 ? 'ahead' : 'back'}`,
    lastsMs: [5_000, 20_000],
    bar: {},
    strike: async (picture, random) => {
      const host = picture.hasClocks ? await any(kind)(picture, random) : null
      if (!host) return null
      const set = (to: number): void => setClock(picture.folderOf(host), host.name, to)
      set(seconds)
      return { victims: [host], heal: async () => set(0) }
    },
  }
}

const everyone: readonly Kind[] = ['balancer', 'postgres', 'etcd']
const taken: Bar = { oneRetryHelps: true }
const unnoticed: Bar = { nothingFails: true }

/** Everything that is done to a cluster. */
export const faults: readonly Fault[] = [
  killed('server', any('server'), taken),
  killed('balancer', any('balancer'), taken),
  gone('balancer', any('balancer'), taken),
  killed('worker, and the bank in it,', any('worker'), unnoticed),
  killed('auth layer', any('auth'), {}),
  killed('primary, as with its host,', primary, writesBack),
  killed("primary's PostgreSQL", primary, writesBack, 'postmaster'),
  killed("primary's Patroni", primary, writesBack, 'kept'),
  killed('synchronous standby', inStep, writesBack),
  killed('other standby', having('standby'), unnoticed),
  killed('Redis master', redisMaster, unnoticed),
  killed('Redis replica', having('replica'), unnoticed),
  killed('Sentinel', any('sentinel'), unnoticed),
  killed('etcd member', any('etcd'), unnoticed),
  killed("etcd's leader", having('leader'), writesBack),
  paused('server', any('server')),
  paused('balancer', any('balancer')),
  paused('worker', any('worker'), unnoticed),
  paused('auth layer', any('auth')),
  paused('primary, as with its host,', primary, replaced),
  paused("primary's PostgreSQL", primary, {}, 'postmaster'),
  paused("primary's Patroni", primary, {}, 'kept'),
  paused('synchronous standby', inStep, writesBack),
  paused('Redis master', redisMaster, unnoticed),
  paused('Redis replica', having('replica'), unnoticed),
  paused('Sentinel', any('sentinel'), unnoticed),
  paused('etcd member', any('etcd')),
  parted('primary and standbys parted, silently', primary, ['postgres'], 'silent'),
  parted('primary and etcd parted, silently', primary, ['etcd'], 'silent'),
  parted('primary parted from everyone, silently', primary, everyone, 'silent', replaced),
  parted('primary and balancers parted, with resets', primary, ['balancer'], 'refused'),
  parted(
    'synchronous standby parted from everyone, silently',
    inStep,
    everyone,
    'silent',
    writesBack,
  ),
  parted('etcd member parted from everyone, silently', any('etcd'), ['etcd', 'postgres'], 'silent'),
  parted('server and balancers parted, silently', any('server'), ['balancer'], 'silent'),
  parted(
    'server and Redis parted, silently',
    any('server'),
    ['redis', 'sentinel'],
    'silent',
    unnoticed,
  ),
  parted(
    'server and Redis parted, with resets',
    any('server'),
    ['redis', 'sentinel'],
    'refused',
    unnoticed,
  ),
  parted(
    'Redis master parted from everyone, silently',
    redisMaster,
    ['server', 'worker', 'auth', 'redis', 'sentinel'],
    'silent',
    unnoticed,
  ),
  parted('balancer and servers parted, silently', any('balancer'), ['server'], 'silent'),
  parted('balancer and databases parted, with resets', any('balancer'), ['postgres'], 'refused'),
  killedAlone,
  reset('the primary', primary),
  reset('a balancer', any('balancer')),
  reset('a server', any('server')),
  diskFull('the primary', primary),
  diskFull('a standby', inStep),
  clockJumps('server', HOUR_S),
  clockJumps('server', -HOUR_S),
  clockJumps('worker', HOUR_S),
  clockJumps('worker', -HOUR_S),
]

/** @throws when there is none of that name. */
export function faultNamed(name: string): Fault {
  const found = faults.find((fault) => fault.name === name)
  if (!found) throw new Error(`there is no fault ${name}`)
  return found
}
