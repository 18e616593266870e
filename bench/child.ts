import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'

/** A program of this folder as a process of its own, so that its work is its own on the bill. */
export type Child<Ask, Answer> = Readonly<{
  pid: number
  /** One at a time. */
  ask: (ask: Ask) => Promise<Answer>
  stop: () => Promise<void>
}>

type Reply<Answer> = Readonly<{ answer: Answer } | { failed: string }>

/** Starts a program that calls `answerParent`, and waits until it has prepared itself. */
export async function startChild<Setup, Ask, Answer>(
  program: string,
  setup: Setup,
): Promise<Child<Ask, Answer>> {
  const process = fork(new URL(program, import.meta.url), { serialization: 'advanced' })
  const { pid } = process
  if (pid === undefined) throw new Error(`${program} could not be started`)
  await exchange(process, program, setup)
  return {
    pid,
    ask: async (ask) => (await exchange(process, program, ask)) as Answer,
    stop: async () => {
      const ended = once(process, 'exit')
      process.disconnect()
      await ended
    },
  }
}

async function exchange(process: ChildProcess, program: string, message: unknown) {
  return await new Promise<unknown>((resolve, reject) => {
    const onExit = (): void => reject(new Error(`${program} ended too early`))
    process.once('exit', onExit)
    process.once('message', (reply: Reply<unknown>) => {
      process.off('exit', onExit)
      if ('answer' in reply) resolve(reply.answer)
      else reject(new Error(`${program}: ${reply.failed}`))
    })
    process.send(message as object)
  })
}

/** The other side. Ends with its parent: `close` is called, and must leave nothing open. */
export function answerParent<Setup, Ask, Answer>(
  prepare: (setup: Setup) => Promise<{
    answer: (ask: Ask) => Promise<Answer>
    close: () => Promise<void>
  }>,
): void {
  const prepared = once(process, 'message').then(async ([setup]) => await prepare(setup as Setup))
  const reply = (work: Promise<unknown>): void => {
    work.then(
      (answer) => process.send?.({ answer }),
      (error: unknown) => process.send?.({ failed: error instanceof Error ? error.stack : error }),
    )
  }
  reply(prepared.then(() => null))
  prepared.then(
    ({ answer }) => process.on('message', (ask) => reply(answer(ask as Ask))),
    () => undefined, // told to the parent
  )
  process.on('disconnect', () => {
    prepared.then(async ({ close }) => await close()).catch(() => process.exit(1))
  })
}
