import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { promisify } from 'node:util'
import { StartRefused } from '../../../errors.ts'

const INSTALL_MS = 600_000

/** Each program by what Debian calls its package. */
export const programs = {
  haproxy: '/usr/sbin/haproxy',
  'redis-server': '/usr/bin/redis-server',
  'redis-sentinel': '/usr/bin/redis-sentinel',
  patroni: '/usr/bin/patroni',
  'etcd-server': '/usr/bin/etcd',
  'etcd-client': '/usr/bin/etcdctl',
  pgbackrest: '/usr/bin/pgbackrest',
} as const

const POSTGRES_DIR = '/usr/lib/postgresql'

/** The newest PostgreSQL that Debian has put here and that the service can work with. */
export function postgresBin(): string | null {
  const versions = existsSync(POSTGRES_DIR) ? readdirSync(POSTGRES_DIR).map(Number) : []
  const fit = versions.filter((version) => version >= 15).sort((one, other) => other - one)
  const bins = fit.map((version) => `${POSTGRES_DIR}/${version}/bin`)
  return bins.find((bin) => existsSync(`${bin}/initdb`)) ?? null
}

/** Packages of which something is not there. */
export function missingPackages(): readonly string[] {
  const missing = Object.entries(programs).filter(([, path]) => !existsSync(path))
  const names = missing.map(([name]) => name)
  return postgresBin() === null ? [...names, 'postgresql-15'] : names
}

const install = (packages: readonly string[]): string =>
  `apt-get install --no-install-recommends ${packages.join(' ')}`

/** @throws StartRefused with the command that would help. */
export function requirePrograms(): void {
  const missing = missingPackages()
  if (missing.length === 0) return
  throw new StartRefused(
    `These Debian packages are missing: ${missing.join(' ')}.\n` +
      'As root, `farthing cluster up --install` installs them; or by hand, as root:\n' +
      `  mkdir -p /etc/postgresql-common/createcluster.d\n` +
      `  echo 'create_main_cluster = false' > ${noClusterFile}\n` +
      `  ${install(missing)}\n` +
      '  systemctl disable --now haproxy redis-server redis-sentinel patroni etcd postgresql',
  )
}

/** Debian makes a database of its own with the package. It would be in nobody's way, and unused. */
const noClusterFile = '/etc/postgresql-common/createcluster.d/farthing.conf'

/** @throws StartRefused when it is not Debian's root who asks, or apt-get says no. */
export async function installPrograms(say: (line: string) => void): Promise<void> {
  const missing = missingPackages()
  if (missing.length === 0) return
  if (process.getuid?.() !== 0 || !existsSync('/etc/debian_version')) {
    throw new StartRefused(`--install works for root on Debian. Missing: ${missing.join(' ')}.`)
  }
  if (existsSync('/run/systemd/system')) {
    throw new StartRefused(
      'Debian would start each of these as a service of the whole machine. Install them by hand, ' +
        `and disable what you do not need:\n  ${install(missing)}`,
    )
  }
  say(`installing ${missing.join(' ')}`)
  mkdirSync(dirname(noClusterFile), { recursive: true })
  writeFileSync(noClusterFile, 'create_main_cluster = false\n')
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  const apt = async (...words: readonly string[]) =>
    await promisify(execFile)('apt-get', ['-qq', ...words], { env, timeout: INSTALL_MS })
  try {
    await apt('update')
    await apt('install', '--yes', '--no-install-recommends', ...missing)
  } catch (error) {
    throw new StartRefused(`apt-get could not: ${String(error).trim().split('\n').at(-1)}`)
  }
}

/** Who a system user is. Programs of theirs refuse to run as root, or should. */
export function userNamed(name: string): Readonly<{ uid: number; gid: number }> | null {
  if (process.getuid?.() !== 0) return null
  const lines = readFileSync('/etc/passwd', 'utf8').split('\n')
  const [, , uid, gid] = lines.find((line) => line.startsWith(`${name}:`))?.split(':') ?? []
  if (uid === undefined || gid === undefined) {
    throw new StartRefused(`There is no user ${name}: its Debian package makes it.`)
  }
  return { uid: Number(uid), gid: Number(gid) }
}
