/** What a process is, and so what it listens on. */
export const kinds = [
  'balancer',
  'server',
  'worker',
  'auth',
  'redis',
  'sentinel',
  'etcd',
  'postgres',
] as const
export type Kind = (typeof kinds)[number]

export type Place = Readonly<{ name: string; kind: Kind; address: string }>

/** Who is where. Each process has an address of its own, and all of a kind have the same ports. */
export type Places = Readonly<Record<Kind, readonly Place[]>>

export const ports = {
  api: 8080,
  auth: 8081,
  back: 8082,
  ops: 9090,
  /** Of workers: one may share an address with a server. */
  workerOps: 9091,
  primary: 5432,
  standby: 5433,
  postgres: 5432,
  patroni: 8008,
  etcd: 2379,
  etcdPeer: 2380,
  redis: 6379,
  sentinel: 26_379,
} as const

/** How many of each, and the last number of the first one's address. */
const loopback: Readonly<Record<Kind, Readonly<{ first: number; count: number }>>> = {
  balancer: { first: 11, count: 2 },
  server: { first: 21, count: 4 },
  worker: { first: 31, count: 2 },
  auth: { first: 41, count: 2 },
  redis: { first: 51, count: 2 },
  sentinel: { first: 61, count: 3 },
  etcd: { first: 71, count: 3 },
  postgres: { first: 81, count: 3 },
}

/** All on one machine, on loopback addresses that begin with `net`. */
export function placesOn(net: string): Places {
  const of = (kind: Kind): readonly Place[] =>
    Array.from({ length: loopback[kind].count }, (_, index) => ({
      name: `${kind}-${index + 1}`,
      kind,
      address: `${net}.${loopback[kind].first + index}`,
    }))
  return placesOf(of)
}

export function placesOf(of: (kind: Kind) => readonly Place[]): Places {
  return Object.fromEntries(kinds.map((kind) => [kind, of(kind)])) as Places
}

const listening: Readonly<Record<Kind, readonly number[]>> = {
  balancer: [ports.api, ports.auth, ports.back, ports.primary, ports.standby, ports.ops],
  server: [ports.api, ports.ops],
  worker: [ports.workerOps],
  auth: [ports.auth],
  redis: [ports.redis],
  sentinel: [ports.sentinel],
  etcd: [ports.etcd, ports.etcdPeer],
  postgres: [ports.postgres, ports.patroni],
}

/** Where it listens. */
export function listensOn({ kind, address }: Place): readonly Readonly<{
  address: string
  port: number
}>[] {
  return listening[kind].map((port) => ({ address, port }))
}

export function allOf(places: Places): readonly Place[] {
  return kinds.flatMap((kind) => places[kind])
}

/** `one:1,other:1`, as many programs want their peers. */
export function joined(places: readonly Place[], port: number): string {
  return places.map(({ address }) => `${address}:${port}`).join(',')
}
