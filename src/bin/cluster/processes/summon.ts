import { spawn } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { StartRefused } from '../../../errors.ts'
import { ask } from './control.ts'
import { MARK } from './process.ts'

const supervisor = fileURLToPath(new URL('supervisor.ts', import.meta.url))
const UP_WITHIN_MS = 30_000
const LOOK_MS = 50

/**
 * Sees that the cluster has a supervisor. A new one takes over what an older one has left.
 *
 * @throws StartRefused when it does not start.
 */
export async function startSupervisor(dir: string): Promise<void> {
  if ((await ask(dir, { do: 'list' })) !== null) return
  const log = openSync(`${dir}/log/supervisor.log`, 'a', 0o600)
  const child = spawn(process.execPath, ['--max-old-space-size=64', supervisor, dir], {
    cwd: dir,
    env: { PATH: process.env['PATH'], [MARK]: dir },
    detached: true,
    stdio: ['ignore', log, log],
  })
  child.unref()
  closeSync(log)
  const end = performance.now() + UP_WITHIN_MS
  while ((await ask(dir, { do: 'list' })) === null) {
    if (performance.now() > end || child.exitCode !== null) {
      throw new StartRefused(`The supervisor did not start: see ${dir}/log/supervisor.log.`)
    }
    await sleep(LOOK_MS)
  }
}
