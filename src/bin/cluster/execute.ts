import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { StartRefused } from '../../errors.ts'
import type { Process } from './processes/process.ts'

/** Nothing that is run once takes longer. */
const DONE_WITHIN_MS = 600_000

/**
 * Runs a program to its end. Gives what it printed.
 *
 * @throws StartRefused with its last words.
 */
export async function execute(
  [program, ...words]: readonly [string, ...string[]],
  env: Readonly<Record<string, string>>,
  user: Process['user'] = null,
): Promise<string> {
  try {
    const options = { env, timeout: DONE_WITHIN_MS, cwd: '/', ...user }
    return (await promisify(execFile)(program, words, options)).stdout
  } catch (error) {
    const { stderr = '', stdout = '' } = error as { stderr?: string; stdout?: string }
    const told = `${stdout}${stderr}`.trim() || String(error)
    throw new StartRefused(`${program} failed: ${told}`)
  }
}
