import { execFile } from 'node:child_process'
import os from 'node:os'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** How the processors are shared between the load and what it is put on. */
export type Shares = Readonly<{
  describe: string
  /** To each process of the load. */
  giveToLoad: (pid: number) => Promise<void>
}>

/** With fewer, one for the load would be too much to take from the service. */
const ENOUGH = 4
/** Then the load goes before the service, so that it comes by the clock. @see setpriority(2) */
const FIRST = -20

/**
 * Keeps the first processor for the load, so that it and the service do not slow each other down.
 * This process, and all that it starts from now on, have the others. Where there are few, or where
 * that cannot be told (not Linux), all share all: then the load is part of what is too much, and
 * goes first where it may.
 */
export async function shareProcessors(): Promise<Shares> {
  const last = os.availableParallelism() - 1
  try {
    if (last + 1 < ENOUGH) throw new Error('there are few')
    await run('taskset', ['-acp', `1-${last}`, String(process.pid)])
  } catch {
    const isFirst = process.getuid?.() === 0
    return {
      describe: `Load and service share all processors${isFirst ? ', and the load goes first' : ''}.`,
      giveToLoad: async (pid) => {
        if (isFirst) os.setPriority(pid, FIRST)
        await Promise.resolve()
      },
    }
  }
  return {
    describe:
      'The load has the first processor for itself; servers and PostgreSQL have ' +
      `the other ${last}.`,
    giveToLoad: async (pid) => {
      await run('taskset', ['-acp', '0', String(pid)])
    },
  }
}
