import { execFileSync } from 'node:child_process'

/** Why this machine cannot run what is in here; false when it can. */
export function whyNot(): string | false {
  if (process.platform !== 'linux') return 'a root file system of its own needs Linux'
  if (process.getuid?.() !== 0) return 'a root file system of its own needs root'
  try {
    execFileSync('unshare', ['--mount', 'setpriv', '--version'], { stdio: 'ignore' })
    return false
  } catch {
    return 'unshare --mount is not allowed here, or setpriv is not there: both are of util-linux'
  }
}
