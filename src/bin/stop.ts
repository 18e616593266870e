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

/**
 * npm runs some commands below a shell of its own, and then it is our parent's parent that dies.
 * Who runs npm itself, and leaves it running, may go.
 */
async function untilOrphaned(signal: AbortSignal): Promise<void> {
  const parent = process.ppid
  const { name, ppid: grandparent } = await about(parent)
  const belowShell = name.endsWith('sh')
  while (!signal.aborted && process.ppid === parent) {
    if (belowShell && (await about(parent)).ppid !== grandparent) return
    await sleep(PARENT_LOOK_MS, undefined, { ref: false })
  }
}

/** Empty when that cannot be known: then only the parent itself is watched. */
async function about(pid: number): Promise<{ name: string; ppid: string }> {
  try {
    if (process.platform !== 'linux') {
      const asked = ['-o', 'ppid=,comm=', '-p', String(pid)]
      const { stdout } = await promisify(execFile)('ps', asked)
      const [ppid = '', name = ''] = stdout.trim().split(/\s+/)
      return { ppid, name }
    }
    // "4711 (sh) S 4710 …"
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8')
    const [open, close] = [stat.indexOf('('), stat.lastIndexOf(')')]
    return { name: stat.slice(open + 1, close), ppid: stat.slice(close + 2).split(' ')[1] ?? '' }
  } catch {
    return { ppid: '', name: '' }
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
