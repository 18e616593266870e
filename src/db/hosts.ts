import { lookup as find } from 'node:dns/promises'
import type { LookupAddress } from 'node:dns'
import { Socket } from 'node:net'
import type { LookupFunction } from 'node:net'
import { callbackify } from 'node:util'
import type { ClientConfig } from 'pg'

/** A host that does not say a word costs this much, and the next one is asked. */
const NEXT_HOST_MS = 300
/**
 * A balancer that has just begun takes all databases for the primary until it has looked at each,
 * at most half a second later.
 */
const MISLED_MS = 1_000

/** By address: until when it is asked last. */
const misled = new Map<string, number>()

/**
 * Where the driver finds a database that may be behind several hosts, as in
 * `postgres://…@one,other:5432/…`: the first that takes a connection, in that order.
 */
export function placeIn(url: string): Pick<ClientConfig, 'connectionString' | 'stream'> {
  const { hostname } = new URL(url)
  if (!hostname.includes(',')) return { connectionString: url }
  return { connectionString: url, stream: openSocket }
}

/** Tells of a host that has led to a standby: for a moment, others are asked before it. */
export function noteMisled(address: string | undefined): void {
  if (address !== undefined) misled.set(address, performance.now() + MISLED_MS)
}

function isMisled({ address }: LookupAddress): boolean {
  return (misled.get(address) ?? 0) > performance.now()
}

/** A socket that takes `one,other` for the name of a host. */
function openSocket(): Socket {
  const socket = new Socket()
  const connect = socket.connect.bind(socket)
  const toAny = (port: number, host: string): Socket =>
    connect({
      port,
      host,
      lookup: addressesOf,
      autoSelectFamily: true,
      autoSelectFamilyAttemptTimeout: NEXT_HOST_MS,
    })
  return Object.assign(socket, { connect: toAny })
}

/** A name that nobody knows is no reason not to ask the others. */
async function findAll(hosts: string): Promise<LookupAddress[]> {
  const asked = hosts.split(',').map(async (host) => await find(host, { all: true }))
  const found = await Promise.allSettled(asked)
  const addresses = found.flatMap((one) => (one.status === 'fulfilled' ? one.value : []))
  const failed = found.find((one) => one.status === 'rejected')
  if (addresses.length === 0 && failed) throw failed.reason
  return [...addresses.filter((one) => !isMisled(one)), ...addresses.filter(isMisled)]
}

const findAllThen = callbackify(findAll)
const addressesOf: LookupFunction = (hosts, _options, done) => findAllThen(hosts, done)
