import type { Copies, Place } from '../../../src/cache/parts.ts'
import type { Scheduler, Step } from './scheduler.ts'
import type { Memory, Scripts } from './scripts.ts'
import type { SimTime, Wall } from './time.ts'

export type Server = Memory & { run: string; up: boolean }
type Connection = { server: Server; reign: string; open: boolean }

/** What a wrong variant does not check when it connects. */
export type Trust = Readonly<{ anyReign?: boolean; runAlone?: boolean; evictsAll?: boolean }>

export type RedisParts = Readonly<{
  scheduler: Scheduler
  time: SimTime
  /** The clocks of the two. */
  walls: readonly [Wall, Wall]
}>

export type SimRedis = Readonly<{
  copiesOf: (machine: string) => Copies
  /** What may befall it now. */
  faults: () => readonly Step[]
  servers: readonly Server[]
  reignOf: (server: Server) => string
  /** The one that follows has all that the other one has now. */
  replicate: () => void
  /** A machine's connections are gone; what it sent may still arrive. */
  cut: (machine: string) => void
}>

const OUT_OF_MEMORY = new Error('OOM command not allowed')

/** Of a process that is gone: that its connections have ended. */
function answerOf<T>(server: Server, work: (memory: Memory) => T): T | Error {
  try {
    return server.up ? work(server) : new Error('the connection has ended')
  } catch (error) {
    return error as Error
  }
}

/** Two Redis processes of which one follows the other, late, and a client of them per machine. */
export function createRedis(
  { scheduler, time, walls }: RedisParts,
  scripts: Scripts,
  trust: Trust = {},
): SimRedis {
  let names = 0
  const born = (master: boolean, wall: Wall): Server => {
    names += 1
    const run = `run${names}`
    const [keys, ends] = [new Map<string, string>(), new Set<string>()]
    return {
      run,
      replid: `id${names}`,
      master,
      up: true,
      keys,
      ends,
      now: time.wallOf(`Redis ${names}`, { ...wall }),
    }
  }
  const servers: [Server, Server] = [born(true, walls[0]), born(false, walls[1])]
  const connections = new Map<string, Connection>()
  const machines: string[] = []
  let full = false
  let saved = new Map<string, string>()

  const reignOf = ({ run, replid }: Server): string =>
    trust.anyReign ? 'any' : trust.runAlone ? run : `${run}/${replid}`
  const masters = (): Server[] => servers.filter(({ up, master }) => up && master)

  function cut(machine: string): void {
    const connection = connections.get(machine)
    if (connection) connection.open = false
    connections.delete(machine)
  }

  function cutAll(server: Server): void {
    for (const [machine, connection] of connections) if (connection.server === server) cut(machine)
  }

  function connect(machine: string, server: Server): void {
    connections.set(machine, { server, reign: reignOf(server), open: true })
  }

  scheduler.source('go', () =>
    machines
      .filter((machine) => !connections.has(machine))
      .flatMap((machine) =>
        masters().map((server): Step => {
          const name = `${machine} connects to ${server.run}`
          return { name, kind: 'go', run: () => connect(machine, server) }
        }),
      ),
  )

  /** A command: it may arrive, its answer may, and whoever waits may stop waiting, in any order. */
  async function call<T>(machine: string, name: string, at: Place, work: (m: Memory) => T) {
    const connection = connections.get(machine)
    if (!connection?.open || connection.reign !== at.reign) throw new Error('not connected')
    const { server } = connection
    return await new Promise<T>((resolve, reject) => {
      const withdraw = scheduler.add({
        name: `${machine}: Redis does ${name}`,
        kind: 'go',
        run: () => {
          const answer = answerOf(server, work)
          scheduler.add({
            name: `${machine} hears of ${name}`,
            kind: 'go',
            run: () => {
              giveUp()
              if (answer instanceof Error || !connection.open) reject(new Error('no answer'))
              else resolve(answer)
            },
          })
        },
      })
      // Giving up does not take the command back: it may be done later, by a Redis that was slow.
      const giveUp = scheduler.add({
        name: `${machine} gives up on ${name}`,
        kind: 'fault',
        run: () => {
          if (!server.up) withdraw()
          reject(new Error('too late'))
        },
      })
    })
  }

  function start(server: Server, keys: ReadonlyMap<string, string>): void {
    names += 1
    Object.assign(server, { run: `run${names}`, replid: `id${names}`, master: true, up: true })
    server.keys = new Map(keys)
  }

  function die(server: Server): void {
    server.up = false
    cutAll(server)
  }

  function promote(server: Server): void {
    names += 1
    server.master = true
    server.replid = `id${names}`
  }

  /** It takes over all that another one has, and forgets what only it had. Clients may stay. */
  function follow(server: Server, other: Server): void {
    server.master = false
    server.replid = other.replid
    server.keys = new Map(other.keys)
    server.ends = new Set(other.ends)
  }

  function evictable(server: Server): string[] {
    return [...server.keys.keys()].filter((key) => trust.evictsAll || server.ends.has(key))
  }

  function faultsOf(server: Server, other: Server): Step[] {
    const steps: Step[] = []
    const fault = (name: string, run: () => void): void => {
      steps.push({ name: `${server.run} ${name}`, kind: 'fault', run })
    }
    if (!server.up) {
      fault('starts empty', () => start(server, new Map()))
      fault('starts from an old snapshot', () => start(server, saved))
      return steps
    }
    fault('dies', () => die(server))
    fault('is flushed', () => server.keys.clear())
    fault('drops its clients', () => cutAll(server))
    fault('writes a snapshot', () => {
      saved = new Map(server.keys)
    })
    for (const key of evictable(server)) fault(`evicts ${key}`, () => server.keys.delete(key))
    if (server.master && other.up) fault('becomes a replica', () => follow(server, other))
    if (!server.master) fault('becomes the master', () => promote(server))
    if (!server.master && other.up) {
      fault('catches up', () => follow(server, other))
    }
    return steps
  }

  return {
    servers,
    reignOf,
    replicate: () => follow(servers[1], servers[0]),
    cut,
    faults: () => [
      ...faultsOf(servers[0], servers[1]),
      ...faultsOf(servers[1], servers[0]),
      ...machines.map((machine): Step => {
        return { name: `${machine} loses its connection`, kind: 'fault', run: () => cut(machine) }
      }),
      { name: `memory is ${full ? 'free' : 'full'}`, kind: 'fault', run: () => (full = !full) },
    ],
    copiesOf: (machine) => {
      machines.push(machine)
      connect(machine, servers[0])
      return {
        reign: () => connections.get(machine)?.reign ?? null,
        now: async () => {
          const reign = connections.get(machine)?.reign ?? ''
          const ms = await call(machine, 'time', { tag: '', reign }, (m) => m.now())
          return { reign, ms }
        },
        plant: async (at) => {
          const planted = await call(machine, 'plant', at, (m) => scripts.plant(m, at))
          if (planted === 'lost') throw new Error('the mastership has ended')
        },
        look: async (at, kind, user, token, unfit) =>
          await call(machine, 'look', at, (m) => scripts.look(m, at, kind, user, token, unfit)),
        fill: async (at, copy) => await call(machine, 'fill', at, (m) => scripts.fill(m, at, copy)),
        raise: async (at, floors) =>
          await call(machine, 'raise', at, (m) => {
            if (full) throw OUT_OF_MEMORY
            return scripts.raise(m, at, floors)
          }),
        sweep: async ({ number, tag }) => {
          await call(machine, 'sweep', { tag, reign: connections.get(machine)?.reign ?? '' }, (m) =>
            sweep(m, number, tag),
          )
        },
      }
    },
  }
}

/** Keys of epochs that are over: of another tag, and not of a number that is still to come. */
function sweep(memory: Memory, number: bigint, tag: string): void {
  for (const key of memory.keys.keys()) {
    const other = key.split(':')[1] ?? ''
    if (other !== tag && BigInt(other.split('-')[0] ?? '0') <= number) memory.keys.delete(key)
  }
}
