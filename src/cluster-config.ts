import { isIPv4 } from 'node:net'
import { resolve } from 'node:path'
import { StartRefused } from './errors.ts'
import { createReader, type Environment } from './settings.ts'

/** Where the cluster of one machine lives. */
export type ClusterSettings = Readonly<{
  /** The first three numbers of its addresses: each process has one of its own in that network. */
  net: string
  /** Absolute. All that it writes is in there. */
  dir: string
}>

/** Sockets of PostgreSQL have a path of 107 bytes at most. */
const DIR_MAX = 60

/** @throws StartRefused naming every problem at once. */
export function readClusterSettings(environment: Environment): ClusterSettings {
  const problems: string[] = []
  const read = createReader(environment, problems)
  const net = read.text('CLUSTER_NET') ?? '127.77.0'
  if (!net.startsWith('127.') || !isIPv4(`${net}.1`)) {
    problems.push('CLUSTER_NET must be the first three numbers of loopback addresses, as 127.77.0')
  }
  const root = process.getuid?.() === 0
  const unset = root ? `/var/lib/farthing-cluster-${net}` : '.farthing/cluster'
  const dir = resolve(read.text('CLUSTER_DIR') ?? unset)
  if (Buffer.byteLength(dir) > DIR_MAX) {
    problems.push(`CLUSTER_DIR ${dir} is longer than ${DIR_MAX} bytes: choose a shorter path`)
  }
  if (problems.length > 0) throw new StartRefused(`${problems.join('; ')}.`)
  return { net, dir }
}
