import { fork } from 'node:child_process'
import { setPriority } from 'node:os'
import { fileURLToPath } from 'node:url'
import type { Settings } from './servers.ts'
import { environmentFor, joinMember, type Member } from './member.ts'

const auth = fileURLToPath(new URL('../auth/main.ts', import.meta.url))
const main = fileURLToPath(new URL('main.ts', import.meta.url))
/** Hashing passwords takes whole cores: on a machine shared with servers, payments go first. */
const POLITE = 10

/** The auth layer. */
export function launchAuth(settings: Settings): Member {
  const child = begin(auth, ['auth'], settings)
  // Now, before it has other threads: they take after the one that makes them, and later they
  // would keep what they have.
  if (child.pid !== undefined) setPriority(child.pid, POLITE)
  return joinMember('auth layer', child, {})
}

/** Jobs, and in development the demo users. */
export function launchWorker(settings: Settings): Member {
  return joinMember('worker', begin(main, ['worker'], settings), {})
}

function begin(program: string, words: readonly string[], settings: Settings) {
  return fork(program, words, {
    env: environmentFor(settings),
    execArgv: process.execArgv,
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
}
