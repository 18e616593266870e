import type { ChildProcess } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { StartRefused } from '../../errors.ts'
import { type Answers, type Link, openLink } from './link.ts'

const READY_WITHIN_MS = 120_000
/** Beside what npm has installed; where that cannot be written to, Node goes without. */
const compiled = fileURLToPath(new URL('../../../node_modules/.cache/compiled', import.meta.url))

/** How a process ended, and how long it had lived. */
export type Ended = Readonly<{ how: string; ms: number }>

/** A process that this one has started and is joined to. */
export type Member = Readonly<{
  /** As people read it: "server 2". */
  name: string
  child: ChildProcess
  link: Link
  /** @throws StartRefused when it does not start; the message says why. */
  ready: Promise<void>
  isReady: () => boolean
  ended: Promise<Ended>
  hasEnded: () => boolean
}>

/** What members say of themselves, beside what they are asked. */
const READY = 'ready'
const REFUSED = 'refused'

/** Joins a process that was just forked. `answers` is what it may ask us. */
export function joinMember(name: string, child: ChildProcess, answers: Answers): Member {
  const startedAt = performance.now()
  const told = Promise.withResolvers<void>()
  let [ready, over] = [false, false]
  const link = openLink(child, {
    ...answers,
    [READY]: () => {
      ready = true
      told.resolve()
    },
    [REFUSED]: (why: string) => told.reject(new StartRefused(why)),
  })
  // Listened for from the start: it may end before anybody asks.
  const ended = new Promise<Ended>((resolve) => {
    const end = (how: string): void => {
      over = true
      resolve({ how, ms: performance.now() - startedAt })
    }
    child.once('exit', (code, signal) => end(signal ?? String(code)))
    child.once('error', (error) => end(error.message))
  })
  const isUp = inTime(name, told.promise, ended)
  // It may be that nobody waits for it; whether it stands is told by how long it lives.
  isUp.catch(() => undefined)
  return {
    name,
    child,
    link,
    ready: isUp,
    isReady: () => ready && !over,
    ended,
    hasEnded: () => over,
  }
}

async function inTime(name: string, told: Promise<void>, ended: Promise<Ended>): Promise<void> {
  const late = sleep(READY_WITHIN_MS, `nothing for ${READY_WITHIN_MS / 1_000} s`, { ref: false })
  const gone = ended.then(({ how }) => `its end (${how})`)
  const instead = await Promise.race([told, late, gone])
  if (typeof instead === 'string') {
    throw new StartRefused(`The ${name} did not start: all that was heard of it is ${instead}.`)
  }
}

/** For the process itself: that it can be used from now on. */
export function tellReady(link: Link): void {
  link.tell(READY, null)
}

/** For the process itself: runs it to its end, and tells whoever started it why it cannot start. */
export async function endMember(work: () => Promise<number>): Promise<never> {
  try {
    process.exit(await work())
  } catch (error) {
    if (!(error instanceof StartRefused) || !process.send) throw error
    const message = { tell: REFUSED, content: error.message }
    process.send(message, undefined, {}, () => process.exit(1))
    return await new Promise(() => undefined)
  }
}

/** What a process that is started by another one is given for its environment. */
export function environmentFor(settings: Readonly<Record<string, string>>): NodeJS.ProcessEnv {
  return {
    // Several start at once, and a reload starts them again: what one has compiled, all have.
    NODE_COMPILE_CACHE: compiled,
    ...process.env,
    // What npm tells its scripts is not for it: it watches us, by the channel between us.
    npm_lifecycle_event: undefined,
    ...settings,
  }
}
