import type { Child } from './load/child.ts'
import type { Clients, Customer } from './load/clients.ts'
import type { Door } from './load/connection.ts'
import { startChild } from './load/child.ts'
import type { Phase } from './measure.ts'
import type { Pgbench } from './load/pgbench.ts'
import type { Posters } from './load/posters.ts'

/** Callers that wait at the same time: enough for full batches on every connection. */
const POSTERS = 1_000
const HOT_ACCOUNTS = 10

export const names = {
  pgbench: 'pgbench TPC-B, 8 clients',
  pgbenchAlone: 'pgbench TPC-B, 1 client',
  ledger: 'ledger alone, 100,000 accounts',
  hot: 'ledger alone, 10 hot accounts',
  riding: 'ledger with the rows of payments',
  http1: 'HTTP payments, 1 connection',
  http32: 'HTTP payments, 32 connections',
  http128: 'HTTP payments, 128 connections',
  user: 'HTTP read of a user, 32 connections',
  history: 'HTTP history page, 32 connections',
} as const

export type Phases = Readonly<{
  /** In the order of a round. */
  list: readonly Phase[]
  stop: () => Promise<void>
}>

export async function preparePhases(ask: {
  pgbench: Pgbench | null
  posters: Posters['setup']
  server: Readonly<{ pid: number; door: Door }>
  customers: readonly Customer[]
}): Promise<Phases> {
  const posters = await startChild<Posters>('posters.ts', ask.posters)
  const setup = { doors: [ask.server.door], customers: ask.customers }
  const clients = await startChild<Clients>('clients.ts', setup)
  const everyone = ask.posters.alone.people.length
  const http = overHttp(clients, ask.server.pid)
  // What is compared stands side by side: the machine may be slower a minute later.
  const list = [
    posting(posters, names.hot, 'alone', HOT_ACCOUNTS),
    posting(posters, names.ledger, 'alone', everyone),
    ...withPgbench(ask.pgbench, names.pgbench, 8),
    http(names.http128, 'payment', 128),
    http(names.http32, 'payment', 32),
    http(names.http1, 'payment', 1),
    ...withPgbench(ask.pgbench, names.pgbenchAlone, 1),
    posting(posters, names.riding, 'riding', everyone),
    http(names.user, 'user', 32),
    http(names.history, 'history', 32),
  ]
  return {
    list,
    stop: async () => {
      await Promise.all([posters.stop(), clients.stop()])
    },
  }
}

function withPgbench(pgbench: Pgbench | null, name: string, clients: number): Phase[] {
  if (!pgbench) return []
  const run = async (seconds: number) => await pgbench.run({ clients, seconds })
  return [{ name, unit: 'TPC-B', run, program: null, clients: null }]
}

function posting(
  posters: Child<Posters>,
  name: string,
  post: Posters['ask']['post'],
  among: number,
): Phase {
  const run = async (seconds: number) =>
    await posters.ask({ post, among, callers: POSTERS, ms: seconds * 1_000 })
  return { name, unit: 'payment', run, program: posters.pid, clients: null }
}

function overHttp(clients: Child<Clients>, server: number) {
  return (name: string, what: Clients['ask']['what'], connections: number): Phase => {
    const run = async (seconds: number) =>
      await clients.ask({ what, connections, ms: seconds * 1_000 })
    const unit = what === 'payment' ? 'payment' : 'read'
    return { name, unit, run, program: server, clients: clients.pid }
  }
}
