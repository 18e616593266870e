import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'

/** Tells the process inside what its namespace is called. */
export const NAMESPACE = 'CHAOS_NAMESPACE'

/** A network of one's own, from which nobody else can be reached. */
export function addNamespace(name: string): void {
  execFileSync('ip', ['netns', 'add', name])
  execFileSync('ip', ['-n', name, 'link', 'set', 'lo', 'up'])
}

export function removeNamespace(name: string): void {
  execFileSync('ip', ['netns', 'delete', name])
}

/** Runs this script once more, inside of a namespace, and gives its exit code. */
export async function runInside(
  name: string,
  env: Readonly<Record<string, string>>,
): Promise<number> {
  const [script = ''] = process.argv.slice(1)
  const child = spawn('nsenter', [`--net=/run/netns/${name}`, process.execPath, script], {
    env: { ...process.env, ...env, [NAMESPACE]: name },
    stdio: 'inherit',
  })
  // Whoever stops us means what is inside. We ourselves stay until all is tidy, heard or not.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => child.kill('SIGTERM'))
  }
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined)
  await once(child, 'exit')
  return child.exitCode ?? 1
}
