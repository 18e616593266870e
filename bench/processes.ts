import { existsSync, readdirSync, readFileSync } from 'node:fs'

/** Linux counts processor time for programs in hundredths of a second, whatever its own clock. */
const TICKS_PER_SECOND = 100

type Ticks = Readonly<{ parent: number; own: number; ofEnded: number }>

/** Processor seconds of one process so far. NaN where the system has no /proc. */
export function processorSeconds(pid: number): number {
  const ticks = readTicks(pid)
  return ticks ? ticks.own / TICKS_PER_SECOND : Number.NaN
}

/** Of PostgreSQL: its first process, all that this one started, and those of them that ended. */
export function postgresSeconds(postmaster: number): number {
  const first = readTicks(postmaster)
  if (!first) return Number.NaN
  const pids = readdirSync('/proc').map(Number).filter(Number.isInteger)
  const started = pids.flatMap((pid) => readTicks(pid) ?? [])
  const ticks = started.filter(({ parent }) => parent === postmaster).map(({ own }) => own)
  return ticks.reduce((sum, own) => sum + own, first.own + first.ofEnded) / TICKS_PER_SECOND
}

/** A process and those that it has started. Itself alone where the system has no /proc. */
export function withChildren(parent: number): readonly number[] {
  if (!existsSync('/proc')) return [parent]
  const pids = readdirSync('/proc').map(Number).filter(Number.isInteger)
  return [parent, ...pids.filter((pid) => readTicks(pid)?.parent === parent)]
}

/** The most memory that a process ever held, in bytes. NaN where the system does not tell. */
export function peakMemoryBytes(pid: number): number {
  const kilobytes = /^VmHWM:\s+(\d+) kB/m.exec(readProc(pid, 'status') ?? '')?.[1]
  return kilobytes === undefined ? Number.NaN : Number(kilobytes) * 1_024
}

/** @see proc_pid_stat(5): the name in brackets may hold spaces, the numbers come after it. */
function readTicks(pid: number): Ticks | null {
  const fields = readProc(pid, 'stat')?.split(') ').at(-1)?.split(' ')
  if (!fields) return null
  const [, parent, ...rest] = fields.map(Number)
  const [user, system, endedUser, endedSystem] = rest.slice(9)
  return {
    parent: parent ?? Number.NaN,
    own: (user ?? Number.NaN) + (system ?? Number.NaN),
    ofEnded: (endedUser ?? Number.NaN) + (endedSystem ?? Number.NaN),
  }
}

/** Null for a process that has ended, and on systems without /proc. */
function readProc(pid: number, file: 'stat' | 'status'): string | null {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8')
  } catch {
    return null
  }
}
