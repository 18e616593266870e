import { existsSync, rmSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { StartRefused } from '../../errors.ts'
import { ask } from './processes/control.ts'
import { allRunningIn, signal } from './processes/process.ts'
import { startSupervisor } from './processes/summon.ts'
import { claimTurn } from './turn.ts'
import type { ClusterSettings } from '../../cluster-config.ts'

const GOODBYE_MS = 15_000
const KILLED_MS = 5_000
const LOOK_MS = 100

/**
 * Ends all that runs for a cluster, and takes its folder away, whatever state it is in.
 *
 * @throws StartRefused when something does not end.
 */
export async function down(
  settings: ClusterSettings,
  { keep }: Readonly<{ keep: boolean }>,
  say: (line: string) => void,
): Promise<void> {
  const { dir } = settings
  const before = allRunningIn(dir).length
  if (before === 0 && !existsSync(dir)) {
    say(`There is no cluster in ${dir}.`)
    return
  }
  const release = existsSync(`${dir}/run`) ? claimTurn(settings) : () => undefined
  try {
    await endInOrder(dir)
  } finally {
    release()
  }
  await endAll(dir, 'SIGTERM', GOODBYE_MS)
  await endAll(dir, 'SIGKILL', KILLED_MS)
  const left = allRunningIn(dir)
  if (left.length > 0) {
    throw new StartRefused(`These do not end: ${left.map(({ pid }) => pid).join(', ')}.`)
  }
  if (!keep) rmSync(dir, { recursive: true, force: true })
  say(`${before} processes ended. ${keep ? `${dir} is kept.` : `${dir} is gone.`}`)
}

/** By the supervisor, who knows what stands on what. A new one takes over from one that is gone. */
async function endInOrder(dir: string): Promise<void> {
  if (!existsSync(`${dir}/run/plan.json`)) return
  try {
    await startSupervisor(dir)
    await ask(dir, { do: 'end' })
  } catch (error) {
    console.error(`All at once, then: ${String(error)}`)
  }
}

async function endAll(dir: string, name: NodeJS.Signals, withinMs: number): Promise<void> {
  for (const running of allRunningIn(dir)) signal(running, name, 'it')
  const end = performance.now() + withinMs
  while (performance.now() < end && allRunningIn(dir).length > 0) await sleep(LOOK_MS)
}
