import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

/** How one of the picture's processes is run. */
export type Process = Readonly<{
  name: string
  command: readonly [program: string, ...words: string[]]
  env: Readonly<Record<string, string>>
  cwd: string
  /** As whom, when root runs it; null: as the caller. */
  user: Readonly<{ uid: number; gid: number }> | null
  /** Told to stop, it has so long before it is killed. */
  stopWithinMs: number
  log: string
}>

/** A process of this machine. Ids come again; together with when it began they do not. */
export type Running = Readonly<{ pid: number; begun: string }>

const GONE_LOOK_MS = 50

/** What runs under an id now; null when nothing does, or only waits to be noticed as dead. */
export function runningAs(pid: number): Running | null {
  try {
    // "4711 (a name) S 1 …": the state is the third, the time of its begin the 22nd.
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    const [state = ''] = fields
    return ['Z', 'X'].includes(state) ? null : { pid, begun: fields[19] ?? '' }
  } catch {
    return null
  }
}

export function isAlive({ pid, begun }: Running): boolean {
  return runningAs(pid)?.begun === begun
}

/** To it, or to all that it has begun and that stayed in its group. */
export function signal(running: Running, name: NodeJS.Signals, whom: 'it' | 'group'): void {
  if (!isAlive(running)) return
  try {
    process.kill(whom === 'group' ? -running.pid : running.pid, name)
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error
  }
}

/** Whether it was gone in time. */
export async function untilGone(running: Running, withinMs: number): Promise<boolean> {
  const end = performance.now() + withinMs
  while (isAlive(running)) {
    if (performance.now() > end) return false
    await sleep(GONE_LOOK_MS)
  }
  return true
}

/** Programs of the picture. A shell that somebody has opened in its folder is none of it. */
const programs = /^(?:haproxy|redis-server|redis-check-rdb|etcd|postgres|psql|python3[\d.]*|node)$/

/**
 * Whatever runs for the cluster in `dir`, also what nobody wrote down: by its environment, its
 * words, or where it works.
 */
export function allRunningIn(dir: string): readonly Running[] {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name))
  return pids
    .map(Number)
    .filter((pid) => pid !== process.pid && belongsTo(pid, dir))
    .flatMap((pid) => runningAs(pid) ?? [])
}

function belongsTo(pid: number, dir: string): boolean {
  const about = (what: string): string => {
    try {
      return what === 'cwd' || what === 'exe'
        ? readlinkSync(`/proc/${pid}/${what}`)
        : readFileSync(`/proc/${pid}/${what}`, 'utf8')
    } catch {
      return ''
    }
  }
  const program = about('exe').replace(/ \(deleted\)$/, '')
  if (!programs.test(program.slice(program.lastIndexOf('/') + 1))) return false
  const inside = (path: string): boolean => path === dir || path.startsWith(`${dir}/`)
  if (inside(about('cwd'))) return true
  if (about('environ').split('\0').includes(`${MARK}=${dir}`)) return true
  return about('cmdline').split('\0').some(inside)
}

/** Each process of a cluster has in its environment which one it is of. */
export const MARK = 'CLUSTER_DIR'
