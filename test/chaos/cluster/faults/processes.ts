import { readFileSync } from 'node:fs'
import { signalProcess } from '../../kit/farthing.ts'

/** A process with all that it has begun. */
export function treeOf(pid: number): readonly number[] {
  return [pid, ...childrenOf(pid).flatMap(treeOf)]
}

function childrenOf(pid: number): readonly number[] {
  try {
    const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')
    return text.split(' ').map(Number).filter(Boolean)
  } catch {
    return [] // it has ended
  }
}

/**
 * As when a host loses power: all at once, with nobody left who could notice and tidy up. Whoever
 * is stopped begins nothing more behind our back.
 */
export function killAll(roots: readonly number[]): void {
  for (const pid of stopAll(roots)) signalProcess(pid, 'SIGKILL')
}

/** As when a host is held up: nothing there runs, and its connections stay. */
export function stopAll(roots: readonly number[]): readonly number[] {
  const stopped = new Set<number>()
  for (let found = roots.flatMap(treeOf); found.some((pid) => !stopped.has(pid));) {
    for (const pid of found) {
      signalProcess(pid, 'SIGSTOP')
      stopped.add(pid)
    }
    found = roots.flatMap(treeOf)
  }
  return [...stopped]
}

export function continueAll(pids: readonly number[]): void {
  for (const pid of pids) signalProcess(pid, 'SIGCONT')
}
