import cluster from 'node:cluster'
import type { Worker } from 'node:cluster'
import { strict as assert } from 'node:assert'
import { fileURLToPath } from 'node:url'
import type { Answers } from './link.ts'
import { environmentFor, joinMember, type Member } from './member.ts'
import { keep, type Place } from './keep.ts'

const main = fileURLToPath(new URL('main.ts', import.meta.url))

/** Environment variables that differ from our own. */
export type Settings = Readonly<Record<string, string>>

export type ServersAsk = Readonly<{
  count: number
  settings: Settings
  /** What a server may ask us; given who it will be. */
  answersFor: (member: Promise<Member>) => Answers
  toldToStop: Promise<void>
}>

/**
 * Starts the server processes that share one port: Node's cluster module takes each connection in
 * this process and hands them out in turn.
 */
export function startServers(ask: ServersAsk): readonly Promise<Place>[] {
  cluster.schedulingPolicy = cluster.SCHED_RR
  cluster.setupPrimary({ exec: main, execArgv: process.execArgv, serialization: 'json' })
  const members = new Set<Member>()
  let lone: Promise<unknown> = Promise.resolve()
  let forked = 0

  function fork(number: number): Member {
    forked += 1
    cluster.setupPrimary({ args: ['server', String(number)] })
    const worker = cluster.fork(environmentFor(ask.settings))
    assert.equal(cluster.schedulingPolicy, cluster.SCHED_RR, 'connections go round')
    closeWhatItHeld(worker)
    const joined = Promise.withResolvers<Member>()
    const answers = ask.answersFor(joined.promise)
    const member = joinMember(`server ${number}`, worker.process, answers)
    joined.resolve(member)
    members.add(member)
    void member.ended.then(() => members.delete(member))
    return member
  }

  /**
   * When none listens any more, one starts alone: the one that listens first opens the port, and
   * two that find it taken at the same time are too much for Node's cluster module. The first ones
   * may start together, for the port has just been looked at.
   */
  async function launch(number: number): Promise<Member> {
    const open = [...members].some((member) => member.isReady())
    if (open || forked < ask.count) return fork(number)
    const before = lone
    const { promise, resolve } = Promise.withResolvers<void>()
    lone = promise
    await before
    const member = fork(number)
    member.ready.catch(() => undefined).finally(resolve)
    return member
  }

  return Array.from({ length: ask.count }, async (_, index) => {
    return await keep(async () => await launch(index + 1), ask.toldToStop)
  })
}

type Closable = Readonly<{ close: () => void }>

/**
 * A connection that is on its way to a server when that one dies would stay open, and silent, for
 * as long as this process lives: the cluster module forgets it. Its caller shall hear that it is
 * over, and try again. There is one on its way at most.
 */
function closeWhatItHeld({ process: child }: Worker): void {
  let handed: Closable | null = null
  const send = child.send.bind(child) as (...words: unknown[]) => boolean
  const noting = (message: unknown, handle?: unknown, ...more: unknown[]): boolean => {
    if (typeof handle === 'object' && handle !== null && 'close' in handle) {
      handed = handle as Closable
    }
    return send(message, handle, ...more)
  }
  child.send = noting
  // Closing what was taken, and closed here, does nothing.
  child.once('exit', () => handed?.close())
}
