import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { isIP } from 'node:net'
import { dirname } from 'node:path'
import { StartRefused } from '../../errors.ts'
import { balancerFiles, problemFiles } from './files/balancer.ts'
import { redisFiles, sentinelFiles } from './files/cache.ts'
import { etcdFiles, patroniFiles } from './files/database.ts'
import type { Deployment, File, Paths, Tls } from './files/deployment.ts'
import { environmentFiles } from './files/environment.ts'
import { fill } from './files/template.ts'
import { allOf, type Kind, kinds, type Place, placesOf } from './places.ts'
import { newSecrets, type Secrets } from './secrets.ts'

/** What an operator writes down: docs/operate.md has one. */
type Hosts = Readonly<{
  publicUrl: string
  authUrl: string
  /** Lines of pgbackrest.conf that say where back-ups go. */
  repository: readonly string[]
  sharedBuffers: string
  redisMemory: string
  /** Settings that all of Farthing's own processes have, as SMTP_URL. */
  settings: Readonly<Record<string, string>>
  /** Addresses by what they do. */
  hosts: Readonly<Record<Kind, readonly string[]>>
}>

/** What must be at least, for any one of them to be away. */
const least: Readonly<Record<Kind, number>> = {
  balancer: 2,
  server: 2,
  worker: 2,
  auth: 2,
  redis: 2,
  sentinel: 3,
  etcd: 3,
  postgres: 3,
}

const tls: Tls = {
  ca: '/etc/farthing/tls/ca.pem',
  cert: '/etc/farthing/tls/host.pem',
  key: '/etc/farthing/tls/host.key',
  pair: '/etc/farthing/tls/pair.pem',
  front: '/etc/farthing/tls/front.pem',
}

/** Where Debian's packages and the units of deploy/systemd look. */
const paths: Readonly<Record<Kind, Paths>> = {
  balancer: at('/etc/haproxy/haproxy.cfg', '/var/lib/haproxy', '/run/haproxy'),
  server: at('/etc/farthing/serve.env', '/', '/'),
  worker: at('/etc/farthing/work.env', '/', '/'),
  auth: at('/etc/farthing/auth.env', '/', '/'),
  redis: at('/etc/redis/redis.conf', '/var/lib/redis', '/run/redis'),
  sentinel: at('/etc/redis/sentinel.conf', '/var/lib/redis', '/run/sentinel'),
  etcd: at('/etc/etcd/etcd.yml', '/var/lib/etcd/farthing', '/run'),
  postgres: at('/etc/patroni/config.yml', '/var/lib/postgresql/15/farthing', '/var/run/postgresql'),
}

function at(config: string, data: string, run: string): Paths {
  const archive = { config: '/etc/pgbackrest.conf', log: '/var/log/pgbackrest' }
  return { config, data, run, archive }
}

/**
 * Fills the files of deploy/ for hosts of one's own: in `folder`, one folder a process, with the
 * tree that is to be copied to its host. Secrets are made once, and kept in the folder.
 *
 * @throws StartRefused naming what is wrong with the file of hosts.
 */
export function writeHostFiles(hostsFile: string, folder: string): readonly string[] {
  const deployment = deploymentOf(readHosts(hostsFile), secretsIn(folder))
  return allOf(deployment.places).map((place) => {
    const host = `${folder}/${place.name}-${place.address}`
    for (const { path, text } of filesOf(place, deployment)) {
      makeOpen(dirname(host + path), folder)
      writeFileSync(host + path, text, { mode: 0o600 })
    }
    return host
  })
}

/** As on a host, where whoever copies the tree gives its modes to `/` and `/etc`. */
function makeOpen(path: string, within: string): void {
  if (path === within) return
  makeOpen(dirname(path), within)
  mkdirSync(path, { recursive: true })
  chmodSync(path, 0o755)
}

type OnHosts = Deployment & Readonly<{ settings: Hosts['settings'] }>

function deploymentOf(hosts: Hosts, secrets: Secrets): OnHosts {
  return {
    places: placesOf((kind) =>
      hosts.hosts[kind].map((address, index) => ({ name: `${kind}-${index + 1}`, kind, address })),
    ),
    secrets,
    paths: ({ kind }) => paths[kind],
    edgeKeys: '/etc/haproxy/edge-keys',
    problems: '/etc/haproxy/problems',
    postgresBin: '/usr/lib/postgresql/15/bin',
    publicUrl: hosts.publicUrl,
    authUrl: hosts.authUrl,
    tls,
    systemd: true,
    sharedBuffers: hosts.sharedBuffers,
    redisMemory: hosts.redisMemory,
    archive: { repository: hosts.repository },
    settings: hosts.settings,
  }
}

const files: Readonly<Record<Kind, (place: Place, it: OnHosts) => readonly File[]>> = {
  balancer: (place, it) => [...balancerFiles(place, it), ...problemFiles(it)],
  server: (place, it) => farthingFiles(place, it, 'keys-api.json'),
  worker: (place, it) => farthingFiles(place, it, 'keys-api.json'),
  auth: (place, it) => farthingFiles(place, it, 'keys.json'),
  redis: redisFiles,
  sentinel: sentinelFiles,
  // Debian's unit reads its words from there.
  etcd: (place, it) => [
    ...etcdFiles(place, it),
    { path: '/etc/default/etcd', text: `DAEMON_ARGS="--config-file ${paths.etcd.config}"\n` },
  ],
  // With what makes Farthing's role and database, which its primary is given once.
  postgres: (place, it) => [
    ...patroniFiles(place, it),
    { path: '/etc/patroni/roles.sql', text: fill('patroni/roles.sql', {}) },
  ],
}

function filesOf(place: Place, deployment: OnHosts): readonly File[] {
  return files[place.kind](place, deployment)
}

function farthingFiles(place: Place, deployment: OnHosts, keys: string): readonly File[] {
  return environmentFiles(place, deployment, {
    environment: 'production',
    keysFile: `/etc/farthing/${keys}`,
    more: {
      NODE_EXTRA_CA_CERTS: tls.ca,
      // The unit's RuntimeDirectory: there `farthing reload` finds more servers than one.
      ...(place.kind === 'server' && { DATA_DIR: '/run/farthing' }),
      ...deployment.settings,
    },
  })
}

function secretsIn(folder: string): Secrets {
  const file = `${folder}/secrets.json`
  if (existsSync(file)) return JSON.parse(readFileSync(file, 'utf8')) as Secrets
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const secrets = newSecrets()
  writeFileSync(file, JSON.stringify(secrets, null, 2), { mode: 0o600 })
  return secrets
}

function readHosts(path: string): Hosts {
  const given = parse(path)
  const hosts = given.hosts ?? {}
  const problems = kinds.flatMap((kind) => {
    const addresses: unknown = (hosts as Partial<Record<Kind, unknown>>)[kind]
    if (!Array.isArray(addresses) || addresses.length < least[kind]) {
      return `"hosts" needs ${least[kind]} addresses or more for "${kind}"`
    }
    return addresses.every((address) => typeof address === 'string' && isIP(address) !== 0)
      ? []
      : `"${kind}" must list addresses, as 10.0.0.11`
  })
  for (const name of ['publicUrl', 'authUrl'] as const) {
    if (given[name]?.startsWith('https://') !== true) {
      problems.push(`"${name}" must start with https://`)
    }
  }
  if (!Array.isArray(given.repository) || given.repository.length === 0) {
    problems.push('"repository" must list the lines of pgbackrest.conf that say where back-ups go')
  }
  for (const [name, value] of Object.entries(given.settings ?? {})) {
    if (!/^[A-Z][A-Z\d_]*$/.test(name) || typeof value !== 'string' || /[\0\n\r]/.test(value)) {
      problems.push(`"${name}" in "settings" must be a setting's name, with one line of text`)
    }
  }
  if (problems.length > 0) throw new StartRefused(`${path}: ${problems.join('; ')}.`)
  const unset = { sharedBuffers: '1GB', redisMemory: '512mb', settings: {} }
  return { ...unset, ...(given as Hosts) }
}

function parse(path: string): Partial<Hosts> {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as Partial<Hosts>
  } catch (cause) {
    throw new StartRefused(`${path} cannot be read as JSON: ${String(cause)}.`, { cause })
  }
}
