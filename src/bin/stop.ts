import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'

/** Whoever asked us to stop waits no longer than this. */
const STOP_WITHIN_MS = 4_700
const PARENT_LOOK_MS = 1_000

/**
 * Settles when this process should stop: at SIGTERM or Ctrl-C, or when the npm that started it is
 * gone without having said so. A second signal ends it at once.
 */
export async function untilToldToStop(): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  const told = new AbortController()
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.once(signal, () => {
      process.once(signal, () => process.exit(1))
      resolve()
    })
  }
  if (process.env['npm_lifecycle_event'] !== undefined) {
    void untilOrphaned(told.signal).then(resolve)
  }
  await promise
  told.abort()
}

/** npm runs us below a shell of its own, so it may be our parent's parent that dies. */
async function untilOrphaned(signal: AbortSignal): Promise<void> {
  const parent = process.ppid
  const grandparent = await parentOf(parent)
  while (!signal.aborted && process.ppid === parent) {
    if ((await parentOf(parent)) !== grandparent) return
    await sleep(PARENT_LOOK_MS, undefined, { ref: false })
  }
}

/** Empty when that cannot be known: then only the parent itself is watched. */
async function parentOf(pid: number): Promise<string> {
  try {
    if (process.platform !== 'linux') {
      const { stdout } = await promisify(execFile)('ps', ['-o', 'ppid=', '-p', String(pid)])
      return stdout.trim()
    }
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8')
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1] ?? ''
  } catch {
    return ''
  }
}

/**
 * Runs the steps of a stop one after the other, and ends the process when they take too long: then
 * what they would have closed ends with it, and nothing that was answered is lost.
 */
export async function stopInTime(steps: readonly (() => Promise<unknown>)[]): Promise<void> {
  const alarm = sleep(STOP_WITHIN_MS, 'late' as const, { ref: false })
  const outcome = await Promise.race([inOrder(steps), alarm])
  if (outcome !== 'late') return
  console.error('The stop took too long, and was cut short.')
  process.exit(0)
}

/** A step that fails does not keep the ones behind it from closing what is theirs. */
async function inOrder(steps: readonly (() => Promise<unknown>)[]): Promise<void> {
  for (const step of steps) {
    try {
      await step()
    } catch (error) {
      console.error('Stopping:', error)
    }
  }
}
