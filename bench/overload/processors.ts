import { execFile } from 'node:child_process'
import os from 'node:os'
import { promisify } from 'node:util'
import { prioritize, runningAs } from '../../src/bin/cluster/processes/process.ts'

const run = promisify(execFile)

/** How the processors are shared between the load and what it is put on. */
export type Shares = Readonly<{
  describe: string
  /** To each process of the load. */
  giveToLoad: (pid: number) => Promise<void>
}>

/** Then the load goes before the service, so that it comes by the clock. */
const FIRST = -20

/**
 * Keeps the first processor for the load, so that it and the service do not slow each other down.
 * This process, and all that it starts from now on, have the others. Where there are few, or where
 * that cannot be told (not Linux), all share all: then the load is part of what is too much, and
 * goes first where it may.
 *
 * @param enough With fewer, one for the load would be too much to take from the service.
 */
export async function shareProcessors(enough: number): Promise<Shares> {
  const last = os.availableParallelism() - 1
  try {
    if (last + 1 < enough) throw new Error('there are few')
    await run('taskset', ['-acp', `1-${last}`, String(process.pid)])
  } catch {
    const isFirst = process.getuid?.() === 0
    return {
      describe: `Load and service share all processors${isFirst ? ', and the load goes first' : ''}.`,
      giveToLoad: async (pid) => {
        const load = runningAs(pid)
        if (isFirst && load) prioritize(load, FIRST)
        await Promise.resolve()
      },
    }
  }
  return {
    describe:
      'The load has the first processor for itself; servers and PostgreSQL have ' +
      `${last === 1 ? 'the other' : `the other ${last}`}.`,
    giveToLoad: async (pid) => {
      await run('taskset', ['-acp', '0', String(pid)])
    },
  }
}
