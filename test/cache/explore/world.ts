import type { createFence } from '../../../src/cache/fence.ts'
import { POLL_MS } from '../../../src/cache/keeper.ts'
import type { createKeeper } from '../../../src/cache/keeper.ts'
import type { createEndings, createLeases } from '../../../src/cache/leases.ts'
import type { SteadyClock, Copies, Epoch, Kind, Versions } from '../../../src/cache/parts.ts'
import type { createReader, Reader } from '../../../src/cache/reader.ts'
import { FenceDown } from '../../../src/db/fence.ts'
import type { Change, Fence } from '../../../src/db/fence.ts'
import type { Queryable } from '../../../src/db/query.ts'
import { createDatabase, Lost } from './database.ts'
import type { SimDatabase, Slips, Tx } from './database.ts'
import { createRedis } from './redis.ts'
import type { Trust } from './redis.ts'
import { createScheduler, TURNS } from './scheduler.ts'
import type { Choose, Scheduler, Step } from './scheduler.ts'
import { createScripts } from './scripts.ts'
import type { Flaws } from './scripts.ts'
import { createTime } from './time.ts'
import type { Assumes, Drift, Wall } from './time.ts'

/** The modules of src/cache that run in production, or mutants of them. */
export type Protocol = Readonly<{
  createFence: typeof createFence
  createKeeper: typeof createKeeper
  createReader: typeof createReader
  createLeases: typeof createLeases
  createEndings: typeof createEndings
}>

/** How a writer may be wrong. */
export type Writing = 'fences before' | 'fences behind' | 'never fences'

/** What is tried: the protocol, or one that differs from it in one point. */
export type Variant = Readonly<{
  protocol: Protocol
  flaws?: Flaws
  slips?: Slips
  trust?: Trust
  assumes?: Assumes
  writing?: Writing
}>

/** What a schedule begins with. */
export type Beginning = Readonly<{
  state: 'on' | 'off'
  /** A copy is there, from before. */
  warm: boolean
  /** Whether the second writer's machine has a Redis. */
  secondHasRedis: boolean
  drifts: readonly [Drift, Drift]
  /** The clocks of the two Redis. */
  walls: readonly [Wall, Wall]
  faults: number
  reads: number
  /** So many copies that a machine finds do not serve it: they are of another version. */
  unfits: number
  /** Of each machine. */
  writes: readonly [number, number]
  kind: Kind
  /** By Citus: a commit may be left between its phases. */
  spread: boolean
}>

export type Outcome = Readonly<{
  trace: readonly string[]
  stale: string | null
  hits: number
  reads: number
  commits: number
  /** Hits when all was still. */
  behind: number
  opened: bigint
}>

const USER = 'u'
/** How long a Redis has to tell the time, as in src/cache/redis.ts. */
const TIME_MS = 50
/** Looks of each keeper at the row within a schedule. */
const TICKS = 7
/** An epoch that is off by then opens at one of the next looks: see OFF_MIN_MS. */
const ABOUT_TO_OPEN = 2_900
const START: Epoch = { number: 1n, tag: '1-a', state: 'off', reign: '', why: '' }

/** Plays one schedule to its end: two machines, each with a writer, a reader and a keeper. */
export async function play(
  variant: Variant,
  start: Beginning,
  choose: Choose,
  turns: number = TURNS,
): Promise<Outcome> {
  const scheduler = createScheduler(turns)
  const time = createTime(scheduler, variant.assumes)
  const redis = createRedis(
    { scheduler, time, walls: start.walls },
    createScripts(variant.flaws),
    variant.trust,
  )
  const [server] = redis.servers
  if (!server) throw new Error('there is no Redis')
  const reign = redis.reignOf(server)
  const first = { ...START, state: start.state, reign }
  const { spread } = start
  const database = createDatabase(scheduler, first, { spread, slips: variant.slips })
  if (start.state === 'on') server.keys.set(`farthing:${START.tag}:canary`, '0')
  const slot = `farthing:${START.tag}:${start.kind}:${USER}`
  if (start.warm) {
    server.keys.set(slot, 'v0 0')
    server.ends.add(slot)
  }
  redis.replicate()
  const record = createRecord()
  const machines = (['A', 'B'] as const).map((name, index) => {
    const drift = start.drifts[index] ?? { rate: 1, slept: 0 }
    const alone = index === 1 && !start.secondHasRedis
    const clock = time.clockOf(name, { ...drift })
    return buildMachine(variant, { name, database, clock, copies: redis.copiesOf(name), alone })
  })
  for (const { keep } of machines) void keep()
  // Both know the epoch when it begins, or nothing would come of most reads.
  await scheduler.run(plainest, () => {
    if (start.state === 'off' && time.now() < ABOUT_TO_OPEN) return false
    return machines.every(({ ready }) => ready())
  })
  for (const { rest } of machines) rest()
  offerFaults(scheduler, start.faults, [redis.faults, database.faults, time.faults])
  const moment = async (name: string): Promise<void> => {
    await new Promise<void>((resolve) => scheduler.add({ name, kind: 'go', run: resolve }))
  }
  for (const [index, { name, fence, read }] of machines.entries()) {
    const writes = start.writes[index] ?? 0
    void record.runs(write(variant, { moment, name, database, fence, record, writes }))
    void record.runs(look({ moment, name, database, read, record, start }))
  }
  const ended = (): boolean => record.idle() || record.stale() !== null
  const trace = [...(await scheduler.run(choose, ended))]
  const hitsBefore = record.counts.hits
  if (record.stale() === null) trace.push(...(await lookBehind()))
  const behind = record.counts.hits - hitsBefore
  return { trace, opened: database.epoch().number, behind, ...record.summary() }

  /** An old copy that nobody has read so far, and what the first reader behind it keeps. */
  async function lookBehind(): Promise<readonly string[]> {
    for (const { rest } of machines) rest()
    const mayOpen = start.state === 'off'
    const known = (): boolean =>
      machines.every(({ leased, rested }) => leased() || rested()) ||
      (database.epoch().state === 'off' && !mayOpen)
    const steps = [...(await scheduler.run(plainest, known))]
    for (const { name, read } of machines) {
      const once = { ...start, reads: 1, unfits: 0 }
      void record.runs(look({ moment, name, database, read, record, start: once }))
      steps.push(...(await scheduler.run(plainest, ended)))
    }
    return steps
  }
}

const plainest: Choose = (offers) => offers('go')[0] ?? offers('time')[0] ?? null

function offerFaults(
  scheduler: Scheduler,
  most: number,
  sources: readonly (() => readonly Step[])[],
): void {
  let left = most
  scheduler.source('fault', () => {
    if (left === 0) return []
    return sources
      .flatMap((steps) => steps())
      .map((step) => ({
        ...step,
        run: () => {
          left -= 1
          step.run()
        },
      }))
  })
}

type MachineParts = Readonly<{
  name: string
  database: SimDatabase
  clock: SteadyClock
  copies: Copies
  /** Its writer has no Redis. */
  alone: boolean
}>

const never = (): number => 0

function buildMachine({ protocol }: Variant, parts: MachineParts) {
  const { name, database, clock, copies } = parts
  const table = database.tableOf(name)
  const inTime: Copies = {
    ...copies,
    now: async () => {
      const asked = clock.monotonic()
      const reading = await copies.now()
      if (clock.monotonic() - asked > TIME_MS) throw new Error('it took too long')
      return reading
    },
  }
  const leases = protocol.createLeases(clock)
  const endings = protocol.createEndings(clock)
  const keeper = protocol.createKeeper({
    table,
    copies: inTime,
    leases,
    endings,
    clock,
    chance: never,
  })
  const fence = protocol.createFence({
    enter: async (tx) => await database.enter(name, tx as unknown as Tx),
    table,
    copies: parts.alone ? null : copies,
    endings,
    counted: keeper.counted,
  })
  const versions = async (): Promise<Versions> => await database.versions(name)
  const read = protocol.createReader({ copies, leases, versions, lost: keeper.lost })
  let ticks = 0
  let last = Number.POSITIVE_INFINITY
  let keeping = false
  const keep = async (): Promise<void> => {
    if (keeping) return
    keeping = true
    for (; ticks < last; ticks++) {
      await keeper.tick()
      await clock.sleep(POLL_MS)
    }
    keeping = false
  }
  /** So many looks more, and then no more. */
  const rest = (): void => {
    last = ticks + TICKS
    void keep()
  }
  return {
    name,
    fence,
    read,
    keep,
    rest,
    ready: () => ticks > 0,
    rested: () => ticks >= last,
    leased: () => leases.current() !== null,
  }
}

type Record = ReturnType<typeof createRecord>

/** What was heard, by anybody: what a read that starts now must not fall behind. */
function createRecord() {
  let heard: Versions = { money: 0n, view: 0n }
  let stale: string | null = null
  let running = 0
  const counts = { hits: 0, reads: 0, commits: 0 }
  const hear = (next: Partial<Versions>): void => {
    const money = next.money ?? 0n
    const view = next.view ?? 0n
    heard = {
      money: money > heard.money ? money : heard.money,
      view: view > heard.view ? view : heard.view,
    }
  }
  return {
    counts,
    hear,
    heard: () => heard,
    check: (from: Versions, answer: Versions) => {
      if (answer.money < from.money || answer.view < from.view) {
        stale ??= `read ${print(answer)} after ${print(from)} was heard`
      }
      hear(answer)
      counts.reads += 1
    },
    stale: () => stale,
    runs: async (work: Promise<void>) => {
      running += 1
      await work
      running -= 1
    },
    idle: () => running === 0,
    summary: () => ({ stale, ...counts }),
  }
}

const print = ({ money, view }: Versions): string => `${money} ${view}`

/** Waits until the schedule lets something begin. */
type Moment = (name: string) => Promise<void>

type WriteParts = Readonly<{
  moment: Moment
  name: string
  writes: number
  database: SimDatabase
  fence: Fence
  record: Record
}>

const TRIES = 3

/** Machine A moves money, machine B changes the profile: each a version of its own. */
async function write({ writing = 'fences before' }: Variant, parts: WriteParts): Promise<void> {
  const { name, database, fence, record, writes, moment } = parts
  const which = name === 'A' ? 'money' : 'view'
  let tries = 0
  for (let done = 0; done < writes && tries < writes + TRIES; tries++) {
    await moment(`${name} begins to write`)
    const tx = database.begin()
    try {
      const raise = await fence.enter(tx as unknown as Queryable)
      const now = await database.lock(name, tx)
      const next = now[which] + 1n
      tx.next = { [which]: next }
      const change: Change = { user: USER, money: null, view: null, [which]: next }
      if (writing === 'fences before') await raise([change])
      await database.commit(name, tx)
      if (writing === 'fences behind') await raise([change]).catch(() => undefined)
      record.hear({ [which]: next })
      record.counts.commits += 1
      done += 1
    } catch (error) {
      database.rollback(tx)
      if (error instanceof FenceDown) await error.recovered().catch(rethrowUnlessLost)
      else rethrowUnlessLost(error)
    }
  }
}

function rethrowUnlessLost(error: unknown): void {
  if (!(error instanceof Lost)) throw error
}

type LookParts = Readonly<{
  moment: Moment
  name: string
  database: SimDatabase
  read: Reader
  record: Record
  start: Beginning
}>

async function look(parts: LookParts): Promise<void> {
  const { name, database, read, record, start, moment } = parts
  let unfits = start.unfits
  for (let done = 0; done < start.reads; done++) {
    await moment(`${name} begins to read`)
    const from = record.heard()
    try {
      const answer = await read({
        kind: start.kind,
        user: USER,
        load: async () => {
          const money = await database.version(name, 'money')
          const view = await database.version(name, 'view')
          return { money, view }
        },
        print,
        parse: (text) => {
          if (unfits > 0) {
            unfits -= 1
            return null
          }
          const [money = '', view = ''] = text.split(' ')
          record.counts.hits += 1
          return { money: BigInt(money), view: BigInt(view) }
        },
      })
      record.check(from, answer)
    } catch (error) {
      rethrowUnlessLost(error)
    }
  }
}
