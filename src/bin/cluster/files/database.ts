import { joined, type Place, ports } from '../places.ts'
import type { Deployment, File } from './deployment.ts'
import { fill } from './template.ts'

export function etcdFiles(place: Place, deployment: Deployment): readonly File[] {
  const { places, tls, paths, secrets } = deployment
  const { config, data } = paths(place)
  const scheme = tls ? 'https' : 'http'
  const peers = places.etcd.map(
    ({ name, address }) => `${name}=${scheme}://${address}:${ports.etcdPeer}`,
  )
  const security = (part: string) => [
    `${part}:`,
    `  cert-file: ${tls?.cert}`,
    `  key-file: ${tls?.key}`,
    `  trusted-ca-file: ${tls?.ca}`,
    '  client-cert-auth: true',
  ]
  const text = fill('etcd/etcd.yml', {
    NAME: place.name,
    ADDRESS: place.address,
    DATA_DIR: data,
    ETCD_SCHEME: scheme,
    ETCD_PORT: ports.etcd,
    ETCD_PEER_PORT: ports.etcdPeer,
    ETCD_PEERS: peers.join(','),
    ETCD_TOKEN: secrets.etcdToken,
    ETCD_TLS: tls
      ? [...security('client-transport-security'), ...security('peer-transport-security')]
      : [],
  })
  return [{ path: config, text }]
}

export function patroniFiles(place: Place, deployment: Deployment): readonly File[] {
  const { secrets, paths, postgresBin } = deployment
  const { config, data, run } = paths(place)
  const archive = archiveFor(place, deployment)
  const text = fill('patroni/patroni.yml', {
    NAME: place.name,
    ADDRESS: place.address,
    DATA_DIR: data,
    RUN_DIR: run,
    POSTGRES_BIN_DIR: postgresBin,
    PATRONI_PORT: ports.patroni,
    POSTGRES_PORT: ports.postgres,
    ETCD_HOSTS: joined(deployment.places.etcd, ports.etcd),
    PATRONI_PASSWORD: secrets.patroni,
    POSTGRES_PASSWORD: secrets.postgres,
    REPLICATOR_PASSWORD: secrets.replicator,
    REWINDER_PASSWORD: secrets.rewinder,
    SHARED_BUFFERS: deployment.sharedBuffers,
    MAX_WAL_SIZE: deployment.systemd ? '4GB' : '256MB',
    // What a standby that was away finds on the primary. One that was longer is copied anew. All of
    // it is copied when one is rewound, while commits may have nobody to wait for.
    WAL_KEEP_SIZE: deployment.systemd ? '1GB' : '64MB',
    // Resets a host whose Patroni hangs: docs/operate.md has what it needs. One machine has one for
    // all.
    WATCHDOG: deployment.systemd ? ['mode: required', 'safety_margin: 1'] : ["mode: 'off'"],
    ARCHIVE_COMMAND: JSON.stringify(archive.command),
    ...access(deployment),
    ...security(deployment),
  })
  return [{ path: config, text }, ...archive.files]
}

type Archive = Readonly<{ command: string; files: readonly File[] }>

function archiveFor(place: Place, { archive, paths }: Deployment): Archive {
  if ('command' in archive) return { ...archive, files: [] }
  const { data, run, archive: own } = paths(place)
  if (!own) throw new Error(`nobody says where the file of pgBackRest is for ${place.name}`)
  const text = fill('pgbackrest/pgbackrest.conf', {
    REPO: archive.repository,
    DATA_DIR: data,
    RUN_DIR: run,
    LOG_DIR: own.log,
    LOCK_DIR: run,
    POSTGRES_PORT: ports.postgres,
  })
  const pgbackrest = `pgbackrest --config=${own.config} --stanza=farthing`
  return {
    command: `${pgbackrest} archive-push %p`,
    files: [{ path: own.config, text }],
  }
}

/** Who may connect from where, as what. */
function access({ places, tls, systemd }: Deployment) {
  const host = tls ? 'hostssl' : 'host'
  const nodes = ownAddresses(places.postgres)
  return {
    HBA_HOST: host,
    // Debian's exporter, whose user has that name.
    HBA_EXPORTER: systemd ? ['- local postgres prometheus peer'] : [],
    HBA_NODES: nodes.flatMap((address) => [
      `- ${host} replication replicator ${address} scram-sha-256`,
      `- ${host} postgres rewinder ${address} scram-sha-256`,
    ]),
    HBA_BALANCERS: places.balancer.map(
      ({ address }) => `- ${host} farthing farthing ${address}/32 scram-sha-256`,
    ),
  }
}

/** What connects without choosing an address does it from 127.0.0.1, on loopback. */
function ownAddresses(places: readonly Place[]): readonly string[] {
  const onLoopback = places.every(({ address }) => address.startsWith('127.'))
  return onLoopback ? ['127.0.0.0/8'] : places.map(({ address }) => `${address}/32`)
}

function security({ tls }: Deployment) {
  if (!tls) {
    return {
      PATRONI_TLS: [],
      PATRONI_CTL_TLS: [],
      ETCD_CLIENT_TLS: [],
      POSTGRES_TLS: [],
      POSTGRES_CLIENT_TLS: [],
    }
  }
  const { ca, cert, key } = tls
  return {
    PATRONI_TLS: [`certfile: ${cert}`, `keyfile: ${key}`, `cafile: ${ca}`, 'verify_client: none'],
    PATRONI_CTL_TLS: ['ctl:', `  certfile: ${cert}`, `  keyfile: ${key}`, `  cacert: ${ca}`],
    ETCD_CLIENT_TLS: ['protocol: https', `cacert: ${ca}`, `cert: ${cert}`, `key: ${key}`],
    POSTGRES_TLS: [
      "ssl: 'on'",
      `ssl_cert_file: ${cert}`,
      `ssl_key_file: ${key}`,
      `ssl_ca_file: ${ca}`,
      'ssl_min_protocol_version: TLSv1.2',
    ],
    POSTGRES_CLIENT_TLS: ['sslmode: verify-ca', `sslrootcert: ${ca}`],
  }
}
