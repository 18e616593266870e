import { fileURLToPath } from 'node:url'
import { balancerFiles, problemFiles } from './files/balancer.ts'
import { redisFiles, sentinelFiles } from './files/cache.ts'
import { etcdFiles, patroniFiles } from './files/database.ts'
import type { Deployment, File, Paths } from './files/deployment.ts'
import { environmentFiles, parseEnvironment } from './files/environment.ts'
import { allOf, type Kind, type Place, type Places, placesOn, ports } from './places.ts'
import { MARK, type Process } from './processes/process.ts'
import { postgresBin, programs, userNamed } from './processes/programs.ts'
import type { Secrets } from './secrets.ts'
import type { ClusterSettings } from '../../cluster-config.ts'

const farthing = fileURLToPath(new URL('../../../bin/farthing', import.meta.url))

/** As whom a kind runs where root starts it; null: as root, who started it. */
const users: Readonly<Record<Kind, string | null>> = {
  balancer: 'haproxy',
  server: null,
  worker: null,
  auth: null,
  redis: 'redis',
  sentinel: 'redis',
  etcd: 'etcd',
  postgres: 'postgres',
}

/** What the file with its settings is called. */
export const configNames: Readonly<Record<Kind, string>> = {
  balancer: 'haproxy.cfg',
  server: 'farthing.env',
  worker: 'farthing.env',
  auth: 'farthing.env',
  redis: 'redis.conf',
  sentinel: 'sentinel.conf',
  etcd: 'etcd.yml',
  postgres: 'patroni.yml',
}

/** Farthing's own have five seconds by themselves; a database writes a checkpoint first. */
const stopWithinMs: Readonly<Record<Kind, number>> = {
  balancer: 3_000,
  server: 8_000,
  worker: 8_000,
  auth: 8_000,
  redis: 5_000,
  sentinel: 5_000,
  etcd: 10_000,
  postgres: 45_000,
}

/**
 * Who goes first where all share the processors of one machine. What costs little must not wait for
 * those that work: a balancer that is late refuses nobody, and leases that are not renewed in time
 * end.
 */
const niceness: Readonly<Record<Kind, number>> = {
  balancer: -10,
  server: 0,
  worker: 0,
  auth: 0,
  redis: 0,
  sentinel: -10,
  etcd: -10,
  postgres: 0,
}

/** One machine's cluster: who is where, with which files, and how each is run. */
export type Machine = Readonly<{
  settings: ClusterSettings
  deployment: Deployment
  places: Places
  /** Those that all share, readable by whoever may look into the folder. */
  sharedFiles: readonly File[]
  filesOf: (place: Place) => readonly File[]
  userOf: (place: Place) => Process['user']
  processOf: (place: Place) => Process
}>

export function machineFor(settings: ClusterSettings, secrets: Secrets): Machine {
  const deployment = onLoopback(settings, secrets)
  const { places } = deployment
  const filesOf = (place: Place): readonly File[] => files[place.kind](place, deployment)
  return {
    settings,
    deployment,
    places,
    sharedFiles: problemFiles(deployment),
    filesOf,
    userOf,
    processOf: (place) => ({
      name: place.name,
      ...runs(place, deployment),
      cwd: folderOf(settings.dir, place),
      user: userOf(place),
      niceness: niceness[place.kind],
      stopWithinMs: stopWithinMs[place.kind],
      log: `${settings.dir}/log/${place.name}.log`,
    }),
  }
}

function userOf({ kind }: Place): Process['user'] {
  const name = users[kind]
  return name === null ? null : userNamed(name)
}

export function folderOf(dir: string, { name }: Place): string {
  return `${dir}/${name}`
}

/** Last in, first out: whoever stops all goes the other way. */
export const startOrder: readonly Kind[] = [
  'etcd',
  'postgres',
  'redis',
  'sentinel',
  'balancer',
  'auth',
  'server',
  'worker',
]

export function inOrder(places: Places): readonly Place[] {
  return allOf(places).toSorted(
    (one, other) => startOrder.indexOf(one.kind) - startOrder.indexOf(other.kind),
  )
}

function onLoopback({ net, dir }: ClusterSettings, secrets: Secrets): Deployment {
  const places = placesOn(net)
  const front = places.balancer[0]?.address ?? ''
  const paths = (place: Place): Paths => ({
    config: `${dir}/${place.name}/${configNames[place.kind]}`,
    data: `${dir}/${place.name}/data`,
    run: `${dir}/${place.name}/run`,
    archive: {
      config: `${dir}/${place.name}/pgbackrest.conf`,
      log: `${dir}/${place.name}/run`,
    },
  })
  return {
    places,
    secrets,
    paths,
    edgeKeys: `${dir}/edge/keys`,
    problems: `${dir}/edge/problems`,
    postgresBin: postgresBin() ?? '',
    publicUrl: `http://${front}:${ports.api}`,
    authUrl: `http://${front}:${ports.auth}`,
    tls: null,
    systemd: false,
    sharedBuffers: '128MB',
    redisMemory: '64mb',
    archive: { repository: [`repo1-path=${dir}/backup`] },
  }
}

const files: Readonly<Record<Kind, (place: Place, it: Deployment) => readonly File[]>> = {
  balancer: balancerFiles,
  server: (place, it) => farthingFiles(place, it, 'keys-api.json'),
  worker: (place, it) => farthingFiles(place, it, 'keys-api.json'),
  // It alone signs.
  auth: (place, it) => farthingFiles(place, it, 'keys.json'),
  redis: redisFiles,
  sentinel: sentinelFiles,
  etcd: etcdFiles,
  postgres: patroniFiles,
}

function farthingFiles(place: Place, deployment: Deployment, keys: string): readonly File[] {
  const dir = deployment.edgeKeys.slice(0, -'/edge/keys'.length)
  return environmentFiles(place, deployment, {
    environment: 'development',
    keysFile: `${dir}/keys/${keys}`,
    more: { DATA_DIR: `${dir}/${place.name}/data` },
  })
}

/** Nothing of the caller's own environment gets in, but for where programs and homes are. */
function runs(place: Place, deployment: Deployment): Pick<Process, 'command' | 'env'> {
  const { config, run } = deployment.paths(place)
  const dir = run.slice(0, -`/${place.name}/run`.length)
  const base = {
    PATH: `${deployment.postgresBin}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin`,
    LANG: 'C.UTF-8',
    HOME: run,
    [MARK]: dir,
  }
  const own = (word: string): Pick<Process, 'command' | 'env'> => {
    const [file] = files[place.kind](place, deployment)
    return {
      command: ['/bin/sh', farthing, word],
      env: {
        ...base,
        PATH: process.env['PATH'] ?? base.PATH,
        ...parseEnvironment(file?.text ?? ''),
      },
    }
  }
  switch (place.kind) {
    case 'balancer':
      // A master that reloads at SIGUSR2, in the foreground.
      return { command: [programs.haproxy, '-W', '-db', '-f', config], env: base }
    case 'server':
      return own('serve')
    case 'worker':
      return own('work')
    case 'auth':
      return own('auth')
    case 'redis':
      return { command: [programs['redis-server'], config], env: base }
    case 'sentinel':
      return { command: [programs['redis-sentinel'], config], env: base }
    case 'etcd':
      return { command: [programs['etcd-server'], '--config-file', config], env: base }
    case 'postgres':
      return { command: [programs.patroni, config], env: base }
  }
}
