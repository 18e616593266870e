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

/**
 * Keeps the first processor for the load, so that it and the service do not slow each other down:
 * of a flood, most is work for whoever makes it. This process, and all that it starts from now on,
 * have the others. Where that cannot be told (not Linux, or one processor alone) all share all.
 */
export async function shareProcessors(): Promise<Shares> {
  const last = os.availableParallelism() - 1
  try {
    if (last < 1) throw new Error('there is one processor')
    await run('taskset', ['-acp', `1-${last}`, String(process.pid)])
  } catch {
    return { describe: 'Load and service share all processors.', giveToLoad: async () => {} }
  }
  return {
    describe:
      `The load has the first processor for itself; servers and PostgreSQL have ` +
      `${last === 1 ? 'the other one' : `the other ${last}`}.`,
    giveToLoad: async (pid) => {
      await run('taskset', ['-acp', '0', String(pid)])
    },
  }
}
