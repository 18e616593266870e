import { randomBytes, randomUUID } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { exportJWK, generateKeyPair } from 'jose'
import { writeEdgeKeys } from '../../src/bin/edge-keys.ts'
import { balancerFiles, problemFiles } from '../../src/bin/cluster/files/balancer.ts'
import { redisFiles, sentinelFiles } from '../../src/bin/cluster/files/cache.ts'
import { etcdFiles, patroniFiles } from '../../src/bin/cluster/files/database.ts'
import type { Deployment, File } from '../../src/bin/cluster/files/deployment.ts'
import { environmentFiles } from '../../src/bin/cluster/files/environment.ts'
import { configNames } from '../../src/bin/cluster/machine.ts'
import { allOf, type Kind, type Place, placesOf } from '../../src/bin/cluster/places.ts'
import { newSecrets, type Secrets } from '../../src/bin/cluster/secrets.ts'
import { readVerifyingKeys } from '../../src/token-keys.ts'

// `npm run compose-files`: writes what the containers of compose.yaml read, from the templates of
// deploy/, into the folder `made`. Passwords and keys are made once; the rest is written again.

const made = process.argv[2] ?? fileURLToPath(new URL('made', import.meta.url))

/** The networks of compose.yaml, and which one a kind is asked in. */
const networks = { app: '172.30.77', data: '172.30.78', votes: '172.30.79', cache: '172.30.80' }
const spots: Readonly<
  Record<Kind, readonly [keyof typeof networks, first: number, count: number]>
> = {
  balancer: ['app', 11, 2],
  server: ['app', 21, 4],
  worker: ['app', 31, 2],
  auth: ['app', 41, 2],
  redis: ['cache', 51, 2],
  sentinel: ['cache', 61, 3],
  etcd: ['votes', 71, 3],
  postgres: ['data', 81, 3],
}

const placed = (kind: Kind, network = spots[kind][0]): readonly Place[] => {
  const [, first, count] = spots[kind]
  return Array.from({ length: count }, (_, index) => {
    const address = `${networks[network]}.${first + index}`
    return { name: `${kind}-${index + 1}`, kind, address }
  })
}

const secrets = JSON.parse(once('secrets.json', () => JSON.stringify(newSecrets()))) as Secrets
const deployment: Deployment = {
  places: placesOf(placed),
  secrets,
  paths: ({ name, kind }) => ({
    config: `${name}/${configNames[kind]}`,
    data: kind === 'redis' || kind === 'sentinel' ? '/data' : `/data/${kind}`,
    run: '/run/farthing',
  }),
  edgeKeys: '/made/edge/keys',
  problems: '/made/edge/problems',
  postgresBin: '/usr/lib/postgresql/15/bin',
  publicUrl: 'http://localhost:8080',
  authUrl: 'http://localhost:8081',
  tls: null,
  systemd: false,
  sharedBuffers: '128MB',
  redisMemory: '256mb',
  archive: {
    command: 'test ! -f /archive/%f && cp %p /archive/%f.new && mv /archive/%f.new /archive/%f',
  },
}
/** As PostgreSQL sees the balancers: they are in its network, too. */
const seenByPostgres: Deployment = {
  ...deployment,
  places: { ...deployment.places, balancer: placed('balancer', 'data') },
}

const filesOf: Readonly<Record<Kind, (place: Place) => readonly File[]>> = {
  // It listens in all of its networks, and is published in one.
  balancer: (place) => balancerFiles({ ...place, address: '0.0.0.0' }, deployment),
  server: farthingFiles,
  worker: farthingFiles,
  auth: farthingFiles,
  redis: (place) => redisFiles(place, deployment),
  sentinel: (place) => sentinelFiles(place, deployment),
  etcd: (place) => etcdFiles(place, deployment),
  postgres: (place) => patroniFiles(place, seenByPostgres),
}

for (const place of allOf(deployment.places)) {
  for (const { path, text } of filesOf[place.kind](place)) write(path, text)
}
for (const { path, text } of problemFiles(deployment)) write(path.slice('/made/'.length), text)
write('secrets/postgres-password', secrets.postgres)
write('secrets/farthing-password', secrets.farthing)
const keys = JSON.parse(once('secrets/keys.json', await newKeys())) as Keys
const open = keys.tokenKeys.map((key) => {
  const { d: _, ...known } = key
  return known
})
write('secrets/keys-api.json', JSON.stringify({ ...keys, tokenKeys: open }))
await writeEdgeKeys(`${made}/edge/keys`, readVerifyingKeys(open), [])
console.log(`Written to ${made}. What stands in it is secret: who reads it can move money.`)

function farthingFiles(place: Place): readonly File[] {
  return environmentFiles(place, deployment, {
    environment: 'development',
    keysFile: '/run/secrets/keys.json',
    more: {},
  })
}

type Keys = Readonly<{ tokenKeys: readonly TokenKey[]; sealKeys: object; digestKey: string }>
type TokenKey = Readonly<{
  kty: string
  crv: string
  x: string
  y: string
  d?: string
  kid: string
}>

function secret(): string {
  return randomBytes(32).toString('base64')
}

async function newKeys(): Promise<() => string> {
  const pairs = await Promise.all(
    [1, 2].map(async () => {
      const { privateKey } = await generateKeyPair('ES256', { extractable: true })
      return { ...(await exportJWK(privateKey)), kid: randomUUID() }
    }),
  )
  return () =>
    JSON.stringify({ tokenKeys: pairs, sealKeys: { 'seal-1': secret() }, digestKey: secret() })
}

function once(name: string, make: () => string): string {
  if (!existsSync(`${made}/${name}`)) write(name, make())
  return readFileSync(`${made}/${name}`, 'utf8')
}

/** Containers read them as user 1000; who else is on the host is kept out by the folder. */
function write(name: string, text: string): void {
  mkdirSync(made, { recursive: true, mode: 0o700 })
  mkdirSync(dirname(`${made}/${name}`), { recursive: true, mode: 0o755 })
  writeFileSync(`${made}/${name}`, text, { mode: 0o644 })
}
