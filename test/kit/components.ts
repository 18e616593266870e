import { execFile } from 'node:child_process'
import { accessSync, constants, existsSync } from 'node:fs'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { promisify } from 'node:util'
import * as runtimeClient from './lambda/runtime-client.ts'

const INSTALL_MS = 300_000
/** Another installation on this machine has the lock of the packages for so long, at most. */
const LOCK_S = 240

/** The set-up of the run tells the tests in this variable why a component is not there. */
const MISSING_VARIABLE = 'FARTHING_TEST_MISSING'

/** Programs that no npm package brings, each by where it is and what Debian calls it. */
const components = {
  'lambda-runtime': {
    programs: [runtimeClient.program],
    needs: runtimeClient.needs,
    packages: ['cmake', 'g++', 'make', 'python3', 'xz-utils'],
    startsServers: false,
    onlyRoot: false,
  },
  samba: {
    programs: ['/usr/sbin/samba'],
    needs: ['/usr/bin/samba-tool', '/usr/share/samba/setup/provision.ldif', '/usr/bin/openssl'],
    packages: ['samba-ad-dc', 'samba-ad-provision', 'openssl'],
    startsServers: true,
    onlyRoot: true,
  },
  buildah: {
    programs: ['/usr/bin/buildah'],
    needs: ['/usr/sbin/debootstrap'],
    packages: ['buildah', 'debootstrap'],
    startsServers: false,
    onlyRoot: true,
  },
  redis: {
    programs: ['/usr/bin/redis-server'],
    needs: ['/usr/bin/redis-sentinel', '/usr/bin/openssl'],
    packages: ['redis-server', 'redis-sentinel', 'openssl'],
    startsServers: true,
    onlyRoot: false,
  },
  chromium: {
    programs: ['/usr/bin/chromium-headless-shell', '/usr/bin/chromium'],
    needs: [],
    packages: ['chromium-headless-shell'],
    startsServers: false,
    onlyRoot: false,
  },
  // What `farthing cluster up` runs.
  cluster: {
    programs: ['/usr/bin/patroni'],
    needs: [
      '/usr/sbin/haproxy',
      '/usr/bin/redis-server',
      '/usr/bin/redis-sentinel',
      '/usr/bin/etcd',
      '/usr/bin/etcdctl',
      '/usr/bin/pgbackrest',
      '/usr/lib/postgresql/15/bin/initdb',
    ],
    packages: [
      'haproxy',
      'redis-server',
      'redis-sentinel',
      'patroni',
      'etcd-server',
      'etcd-client',
      'pgbackrest',
      'postgresql-15',
    ],
    startsServers: true,
    onlyRoot: true,
  },
  prometheus: {
    programs: ['/usr/bin/promtool'],
    needs: [],
    packages: ['prometheus'],
    startsServers: true,
    onlyRoot: false,
  },
  // What a cluster is broken with.
  chaos: {
    programs: ['/usr/sbin/iptables-legacy'],
    needs: ['/usr/sbin/ip', '/usr/bin/ss', '/usr/bin/nsenter'],
    packages: ['iptables', 'iproute2', 'util-linux', 'libfaketime'],
    startsServers: false,
    onlyRoot: true,
  },
} as const

export type ComponentName = keyof typeof components

/** Where a component's program is, or why there is none: the reason to skip what needs it. */
export type Component =
  Readonly<{ program: string; missing: null }> | Readonly<{ program: null; missing: string }>

/**
 * A program that tests need from the operating system. The run of the tests has tried to install
 * it before, when a file that it runs calls this function with the name spelled out.
 */
export function component(name: ComponentName): Component {
  const program = programOf(name)
  if (program !== null && components[name].onlyRoot && process.getuid?.() !== 0) {
    return { program: null, missing: `${name} can only be run by root as the tests do` }
  }
  if (program !== null) return { program, missing: null }
  const reasons = JSON.parse(process.env[MISSING_VARIABLE] ?? '{}') as Record<string, string>
  return { program: null, missing: reasons[name] ?? `${name} is not installed` }
}

/** Installs what the test files need and this machine does not have, and says so. */
export async function installComponents(files: readonly string[]): Promise<void> {
  const missing: Record<string, string> = {}
  for (const name of await namedIn(files)) {
    if (programOf(name) !== null) continue
    const reason = await provide(name)
    if (reason !== null) missing[name] = reason
  }
  process.env[MISSING_VARIABLE] = JSON.stringify(missing)
}

/**
 * For what is no test, and cannot be skipped: installs it where it is not there.
 *
 * @returns The path of its program.
 * @throws Error with what would help.
 */
export async function requireComponent(name: ComponentName): Promise<string> {
  const reason = programOf(name) === null ? await provide(name) : null
  if (reason !== null) throw new Error(reason)
  const there = component(name)
  if (there.missing !== null) throw new Error(there.missing)
  return there.program
}

/** Null when it is there, or why it is not. */
async function provide(name: ComponentName): Promise<string | null> {
  const toBuild = name === 'lambda-runtime' ? runtimeClient : null
  // Who has the tools need not be root.
  const why = toBuild?.canBuild() ? null : (cannotInstall(name) ?? (await install(name)))
  const failed = why ?? (await toBuild?.build()) ?? null
  if (failed !== null) return failed
  return programOf(name) === null ? `${components[name].packages.join(' ')} did not bring it` : null
}

async function namedIn(files: readonly string[]): Promise<readonly ComponentName[]> {
  const texts = await Promise.all(files.map(async (file) => await readFile(file, 'utf8')))
  const names = Object.keys(components) as ComponentName[]
  return names.filter((name) => texts.some((text) => text.includes(`component('${name}')`)))
}

function programOf(name: ComponentName): string | null {
  const { programs, needs } = components[name]
  if (!needs.every((path) => existsSync(path))) return null
  return programs.find(isProgram) ?? null
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/** Null when nothing speaks against it. */
function cannotInstall(name: ComponentName): string | null {
  const { packages, startsServers } = components[name]
  const byHand = `install ${packages.join(' ')}`
  if (!existsSync('/etc/debian_version')) return `no Debian here: ${byHand} by its own means`
  if (process.getuid?.() !== 0) return `not root: ${byHand}`
  // Debian starts a server as soon as it is installed where there is who starts servers.
  if (startsServers && existsSync('/run/systemd/system')) {
    return `${byHand}, and disable the servers that come with it: the tests start their own`
  }
  return null
}

async function install(name: ComponentName): Promise<string | null> {
  const { packages } = components[name]
  console.log(`Installing ${packages.join(' ')}, which are needed here …`)
  try {
    await noMainCluster()
    await apt('install', '--yes', '--no-install-recommends', ...packages).catch(async () => {
      await apt('update')
      await apt('install', '--yes', '--no-install-recommends', ...packages)
    })
  } catch (error) {
    const last = String(error).trim().split('\n').at(-1)
    return `could not install ${packages.join(' ')}: ${last}`
  }
  return null
}

/** Debian would make a PostgreSQL of its own with the package, and every new one would find it. */
async function noMainCluster(): Promise<void> {
  const folder = '/etc/postgresql-common/createcluster.d'
  await mkdir(folder, { recursive: true })
  await writeFile(`${folder}/farthing-tests.conf`, 'create_main_cluster = false\n')
}

async function apt(...what: readonly string[]): Promise<void> {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  const args = ['-qq', '-o', `DPkg::Lock::Timeout=${LOCK_S}`, ...what]
  await promisify(execFile)('apt-get', args, { env, timeout: INSTALL_MS })
}
