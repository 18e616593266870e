import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'

/** Tells the process inside what its namespace is called. */
export const NAMESPACE = 'CHAOS_NAMESPACE'

/**
 * Runs this script once more, in a network namespace of its own that nobody else can be reached
 * from, and gives its exit code.
 */
export async function runInside(name: string, env: Readonly<Record<string, string>>) {
  execFileSync('ip', ['netns', 'add', name])
  try {
    execFileSync('ip', ['-n', name, 'link', 'set', 'lo', 'up'])
    const [script = ''] = process.argv.slice(1)
    const child = spawn('nsenter', [`--net=/run/netns/${name}`, process.execPath, script], {
      env: { ...process.env, ...env, [NAMESPACE]: name },
      stdio: 'inherit',
    })
    // Whoever stops us means what is inside.
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      process.on(signal, () => child.kill('SIGTERM'))
    }
    await once(child, 'exit')
    return child.exitCode ?? 1
  } finally {
    execFileSync('ip', ['netns', 'delete', name])
  }
}
