import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { environment } from './dockerfile.ts'

/** A root file system to run in, and the application in it. */
export type Root = Readonly<{
  /** Of the system: of this machine, or of an image that was built. */
  system: string
  app: string
  /** Mounted as `/usr/local/bin/node`; null: the system has its own. */
  node: string | null
  /** npm's own folder, while an image is built; null: there is none. */
  npm: string | null
  /** A folder that becomes `/run/secrets`. */
  secrets: string
  /** An empty folder to mount things on, which nobody else sees. */
  stage: string
}>

type Asked = Readonly<{
  command: readonly string[]
  env?: Readonly<Record<string, string>>
  /** While an image is built: as root, and with an application that can be written. */
  building?: string
}>

/**
 * The steps of a container engine that matter here: a root of its own that nobody can write,
 * `/tmp` in memory, no privilege, and a user who is not root.
 */
const script = `
set -eu
system=$1 app=$2 node=$3 npm=$4 secrets=$5 root=$6 building=$7
shift 7
mount --make-rprivate /
mount -t tmpfs -o mode=755 none "$root"
for name in usr bin sbin lib lib64 etc; do
  if [ -L "$system/$name" ]; then cp -P "$system/$name" "$root/$name"
  elif [ -d "$system/$name" ]; then
    mkdir "$root/$name"
    mount --bind "$system/$name" "$root/$name"
    mount -o remount,bind,ro "$root/$name"
  fi
done
if [ -n "$node" ]; then
  mount -t tmpfs -o mode=755 none "$root/usr/local"
  mkdir -p "$root/usr/local/bin" "$root/usr/local/lib/node_modules/npm"
  touch "$root/usr/local/bin/node"
  mount --bind "$node" "$root/usr/local/bin/node"
  if [ -n "$npm" ]; then
    mount --bind "$npm" "$root/usr/local/lib/node_modules/npm"
    ln -s ../lib/node_modules/npm/bin/npm-cli.js "$root/usr/local/bin/npm"
  fi
  mount -o remount,ro "$root/usr/local"
fi
mkdir "$root/app" "$root/tmp" "$root/dev" "$root/proc" "$root/run" "$root/run/secrets"
mount --bind "$app" "$root/app"
mount --rbind /dev "$root/dev"
mount --rbind /proc "$root/proc"
mount --bind "$secrets" "$root/run/secrets"
mount -o remount,bind,ro "$root/run/secrets"
mount -t tmpfs -o mode=1777,nosuid,nodev,noexec,size=64m none "$root/tmp"
if [ -n "$building" ]; then
  mkdir "$root/npm-cache"
  mount --bind "$building" "$root/npm-cache"
  cd "$root/app"
  exec chroot "$root" "$@"
fi
mount -o remount,bind,ro "$root/app"
mount -o remount,ro "$root"
exec chroot "$root" setpriv --reuid=1000 --regid=1000 --clear-groups --no-new-privs \\
  --bounding-set=-all --inh-caps=-all "$@"
`

export type Inside = Readonly<{
  child: ChildProcess
  output: () => string
  ended: Promise<number | null>
}>

/** Runs something in there, with the image's environment and what is asked beside it. */
export function inside(root: Root, { command, env = {}, building = '' }: Asked): Inside {
  const { system, app, node, npm, secrets, stage } = root
  const places = [system, app, node ?? '', npm ?? '', secrets, stage, building]
  const settings = Object.entries({ ...environment, HOME: '/tmp', ...env })
  const set = ['env', '-i', '-C', '/app', ...settings.map(([name, value]) => `${name}=${value}`)]
  const words = ['-c', script, 'sandbox', ...places, ...set, ...command]
  const child = spawn('unshare', ['--mount', 'sh', ...words], { stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  const collect = (chunk: Buffer): void => {
    output += chunk.toString()
  }
  child.stdout.on('data', collect)
  child.stderr.on('data', collect)
  const ended = once(child, 'close').then(([code]) => code as number | null)
  return { child, output: () => output, ended }
}
