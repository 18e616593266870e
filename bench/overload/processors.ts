import { execFile } from 'node:child_process'
import os from 'node:os'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** How the processors are shared between the load and what it is put on. */
export type Shares = Readonly<{
  describe: string
  /** Gives this process the load's processor. */
  giveToLoad: (pid: number) => Promise<void>
}>

/** With fewer, one for the load would be too much to take from the service. */
const ENOUGH = 4

/**
 * Keeps the first processor for the load, so that it and the service do not slow each other down.
 * This process, and all that it starts from now on, have the others. Where there are few, or where
 * that cannot be told (not Linux), all share all: then the load is part of what is too much.
 */
export async function shareProcessors(): Promise<Shares> {
  const last = os.availableParallelism() - 1
  try {
    if (last + 1 < ENOUGH) throw new Error('there are few')
    await run('taskset', ['-acp', `1-${last}`, String(process.pid)])
  } catch {
    return { describe: 'Load and service share all processors.', giveToLoad: async () => {} }
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
