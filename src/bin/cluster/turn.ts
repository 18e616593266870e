import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import type { ClusterSettings } from '../../cluster-config.ts'
import { StartRefused } from '../../errors.ts'
import { isAlive, type Running, runningAs } from './processes/process.ts'

/** One `up` or `down` at a time. Gives what ends the turn. */
export function claimTurn({ dir }: ClusterSettings): () => void {
  const file = `${dir}/run/turn.json`
  const mine = JSON.stringify(runningAs(process.pid))
  try {
    writeFileSync(file, mine, { flag: 'wx', mode: 0o600 })
  } catch {
    const theirs = JSON.parse(readFileSync(file, 'utf8')) as Running
    if (isAlive(theirs)) {
      throw new StartRefused(`Process ${theirs.pid} is bringing this cluster up or down: wait.`)
    }
    writeFileSync(file, mine, { mode: 0o600 })
  }
  return () => rmSync(file, { force: true })
}
