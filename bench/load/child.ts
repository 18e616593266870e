import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'

/** A program of this folder as a process of its own, so that its work is its own on the bill. */
export type Child<P extends Program> = Readonly<{
  pid: number
  /** One at a time. */
  ask: (ask: P['ask']) => Promise<P['answer']>
  stop: () => Promise<void>
}>

/** What goes to a child at its start, what it is asked then, and what it answers. */
export type Program = Readonly<{ setup: unknown; ask: unknown; answer: unknown }>

type Reply = Readonly<{ answer: unknown } | { failed: string }>

/** Starts a program that calls `answerParent`, and waits until it has prepared itself. */
export async function startChild<P extends Program>(
  program: string,
  setup: P['setup'],
): Promise<Child<P>> {
  // Of a session of its own: it may be given another share of the processors than its parent has.
  const how = { serialization: 'advanced', detached: true } as const
  const child = fork(new URL(program, import.meta.url), how)
  const { pid } = child
  if (pid === undefined) throw new Error(`${program} could not be started`)
  await exchange(child, program, setup)
  return {
    pid,
    ask: async (ask) => await exchange(child, program, ask),
    stop: async () => {
      const ended = once(child, 'exit')
      child.disconnect()
      await ended
    },
  }
}

async function exchange(child: ChildProcess, program: string, message: unknown) {
  return await new Promise<unknown>((resolve, reject) => {
    const onExit = (): void => reject(new Error(`${program} ended too early`))
    child.once('exit', onExit)
    child.once('message', (reply: Reply) => {
      child.off('exit', onExit)
      if ('answer' in reply) resolve(reply.answer)
      else reject(new Error(`${program}: ${reply.failed}`))
    })
    child.send(message as object)
  })
}

/** The other side. Ends with its parent: `close` is called, and must leave nothing open. */
export function answerParent<P extends Program>(
  prepare: (setup: P['setup']) => Promise<{
    answer: (ask: P['ask']) => Promise<P['answer']>
    close: () => Promise<void>
  }>,
): void {
  const prepared = once(process, 'message').then(async ([setup]) => await prepare(setup))
  reply(prepared.then(() => null))
  prepared.then(
    ({ answer }) => process.on('message', (ask) => reply(answer(ask))),
    () => undefined, // told to the parent
  )
  process.on('disconnect', () => {
    prepared.then(async ({ close }) => await close()).catch(() => process.exit(1))
  })
}

function reply(work: Promise<unknown>): void {
  work.then(
    (answer) => process.send?.({ answer }),
    (error: unknown) => process.send?.({ failed: error instanceof Error ? error.stack : error }),
  )
}
