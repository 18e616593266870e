import { existsSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs'
import { setPriority } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'

/** How one of the picture's processes is run. */
export type Process = Readonly<{
  name: string
  command: readonly [program: string, ...words: string[]]
  env: Readonly<Record<string, string>>
  cwd: string
  /** As whom, when root runs it; null: as the caller. */
  user: Readonly<{ uid: number; gid: number }> | null
  /** From -20, before all others, to 19; what is below 0 holds where root runs it. */
  niceness: number
  /** Told to stop, it has so long before it is killed. */
  stopWithinMs: number
  log: string
}>

/** A process of this machine. Ids come again; together with when it began they do not. */
export type Running = Readonly<{ pid: number; begun: string }>

const GONE_LOOK_MS = 50
const ALL_LOOK_MS = 100
const KILLED_MS = 5_000

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

/**
 * Gives one that has just begun, in a session of its own, its place among all others. Linux shares
 * processors among sessions first (sched(7), autogroup): niceness alone would only tell the
 * processes of one session apart. Where it may not be said (a container's root), all are alike.
 */
export function prioritize(running: Running, niceness: number): void {
  if (niceness < 0 && process.getuid?.() !== 0) return
  const session = `/proc/${running.pid}/autogroup`
  try {
    setPriority(running.pid, niceness)
    if (existsSync(session)) writeFileSync(session, String(niceness))
  } catch (error) {
    if (isAlive(running)) console.error(`${running.pid} has no place of its own: ${String(error)}`)
  }
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

/** Programs of the picture, who write over their environment: they are known by where they work. */
const servers = /^(?:haproxy|redis-server|redis-check-rdb|etcd|postgres|pgbackrest)$/
/** Programs that people run for much else, in any folder: by what the cluster has given them. */
const others = /^(?:psql|python3[\d.]*|node)$/

/** Whatever runs for the cluster in `dir`, or a part of it, also what nobody wrote down. */
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
  const name = program.slice(program.lastIndexOf('/') + 1)
  if (!servers.test(name) && !others.test(name)) return false
  if (about('environ').split('\0').includes(`${MARK}=${dir}`)) return true
  return servers.test(name) && `${about('cwd')}/`.startsWith(`${dir}/`)
}

/**
 * Each process of a cluster has in its environment which one it is of. Nobody sets it by hand, as
 * people do CLUSTER_DIR.
 */
export const MARK = 'CLUSTER_MEMBER_OF'

/** Ends whatever runs for a cluster or a part of it. Gives what does not end. */
export async function endAllIn(dir: string, goodbyeMs: number): Promise<readonly Running[]> {
  for (const [name, withinMs] of [
    ['SIGTERM', goodbyeMs],
    ['SIGKILL', KILLED_MS],
  ] as const) {
    for (const running of allRunningIn(dir)) signal(running, name, 'it')
    const end = performance.now() + withinMs
    while (performance.now() < end && allRunningIn(dir).length > 0) await sleep(ALL_LOOK_MS)
  }
  return allRunningIn(dir)
}
