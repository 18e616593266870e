import { existsSync, rmSync } from 'node:fs'
import { StartRefused } from '../../errors.ts'
import { holdsCluster } from './folder.ts'
import { ask } from './processes/control.ts'
import { allRunningIn, endAllIn } from './processes/process.ts'
import { startSupervisor } from './processes/summon.ts'
import { claimTurn } from './turn.ts'
import type { ClusterSettings } from '../../cluster-config.ts'

const GOODBYE_MS = 15_000

/**
 * Ends all that runs for a cluster, and takes its folder away, whatever state it is in.
 *
 * @throws StartRefused when the folder holds something else, or something does not end.
 */
export async function down(
  settings: ClusterSettings,
  { keep }: Readonly<{ keep: boolean }>,
  say: (line: string) => void,
): Promise<void> {
  const { dir } = settings
  if (existsSync(dir) && !holdsCluster(dir)) {
    throw new StartRefused(
      `${dir} holds no cluster: nothing in it is touched. Set CLUSTER_DIR to the folder of one.`,
    )
  }
  const before = allRunningIn(dir).length
  if (before === 0 && !existsSync(dir)) {
    say(`There is no cluster in ${dir}.`)
    return
  }
  say(`Ending ${before} processes.`)
  const release = existsSync(`${dir}/run`) ? claimTurn(settings) : () => undefined
  try {
    await endInOrder(dir)
  } finally {
    release()
  }
  const left = await endAllIn(dir, GOODBYE_MS)
  if (left.length > 0) {
    throw new StartRefused(`These do not end: ${left.map(({ pid }) => pid).join(', ')}.`)
  }
  if (!keep) rmSync(dir, { recursive: true, force: true })
  say(`All ended. ${keep ? `${dir} is kept.` : `${dir} is gone.`}`)
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
