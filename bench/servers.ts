import os from 'node:os'
import { writeFile } from 'node:fs/promises'
import { auditAll } from './audits.ts'
import { fillPeople } from './books.ts'
import { startChild } from './load/child.ts'
import type { Clients } from './load/clients.ts'
import { postgresSeconds, processorSeconds } from './processes.ts'
import { describeMachine } from './report.ts'
import { median, quantile } from './samples.ts'
import { startServer } from './server.ts'
import { startWorld } from './world.ts'

// Payments with one server and with two: `npm run bench:servers` writes bench/servers-results.md.
const PEOPLE = 20_000
const CUSTOMERS = 2_048
/** As many as one server lets in however slow it is. */
const CONNECTIONS = 64
const ROUNDS = 5
const SECONDS = 4
const counts = [1, 2] as const

/** Processor time is in seconds for a thousand payments. */
type Measured = Readonly<{
  perSecond: number
  p99Ms: number
  serverSeconds: number
  postgresSeconds: number
}>

const loadBefore = os.loadavg()[0] ?? Number.NaN
const say = (line: string): void => {
  console.log(`${(performance.now() / 1_000).toFixed(1).padStart(6)} s  ${line}`)
}
const world = await startWorld()
try {
  const people = (await fillPeople(world.house.pool, PEOPLE)).slice(0, CUSTOMERS)
  const sides = await Promise.all(
    counts.map(async (servers) => {
      const server = await startServer({ url: world.house.url, dir: world.dir, servers })
      const customers = await server.signIn(people)
      const clients = await startChild<Clients>('clients.ts', { doors: [server.door], customers })
      const measure = async (seconds: number) => await run(server.pids(), clients, seconds)
      const stop = async () => await Promise.all([clients.stop(), server.stop()])
      return { servers, measure, stop }
    }),
  )
  const rounds: Measured[][] = []
  for (const { measure } of sides) await measure(2)
  for (let round = 1; round <= ROUNDS; round += 1) {
    const found: Measured[] = []
    for (const { servers, measure } of sides) {
      await world.settle()
      await measure(1)
      const one = await measure(SECONDS)
      say(`round ${round}: SERVERS=${servers}: ${one.perSecond.toFixed(0)}/s`)
      found.push(one)
    }
    rounds.push(found)
  }
  await Promise.all(sides.map(async ({ stop }) => await stop()))
  const findings = await auditAll(world, say)
  await report(
    rounds,
    findings.every(({ offences }) => offences.length === 0),
  )
} finally {
  await world.stop()
}

async function run(
  pids: readonly number[],
  clients: Awaited<ReturnType<typeof startChild<Clients>>>,
  seconds: number,
): Promise<Measured> {
  const spent = () => pids.reduce((sum, pid) => sum + processorSeconds(pid), 0)
  const [server, postgres] = [spent(), postgresSeconds(world.postgresPid)]
  const ask = { what: 'payment', connections: CONNECTIONS, ms: seconds * 1_000 } as const
  const { count, seconds: took, latenciesMs } = await clients.ask(ask)
  return {
    perSecond: count / took,
    p99Ms: quantile(latenciesMs, 0.99),
    serverSeconds: ((spent() - server) / count) * 1_000,
    postgresSeconds: ((postgresSeconds(world.postgresPid) - postgres) / count) * 1_000,
  }
}

async function report(rounds: readonly Measured[][], sound: boolean): Promise<void> {
  const rows = counts.map((servers, at) => {
    const middle = (what: keyof Measured) => median(rounds.map((round) => round[at]![what]))
    const ratio = median(rounds.map((round) => round[at]!.perSecond / round[0]!.perSecond))
    const cells = [
      servers,
      middle('perSecond').toFixed(0),
      ratio.toFixed(2),
      middle('p99Ms').toFixed(1),
    ]
    const costs = [middle('serverSeconds').toFixed(3), middle('postgresSeconds').toFixed(3)]
    return `| ${[...cells, ...costs].join(' | ')} |`
  })
  const text = [
    '# One server and two',
    await describeMachine('npm run bench:servers', loadBefore),
    `Payments over HTTP, ${CONNECTIONS} connections, ${ROUNDS} rounds of ${SECONDS} s in which the two take turns. ` +
      'Medians; the ratio is the median of the ratios within a round. PostgreSQL and the clients have the same ' +
      'processors, so that a second server can only use what the first one left idle. Processor time is in ' +
      'seconds for a thousand payments: of all servers and whoever hands out connections, and of PostgreSQL.',
    [
      '| servers | payments/s | x one server | p99 ms | servers | PostgreSQL |',
      '| ------: | ---------: | -----------: | -----: | ------: | ---------: |',
      ...rows,
    ].join('\n'),
    `- ${sound ? 'PASS' : 'FAIL'}: the audit finds nothing`,
  ].join('\n\n')
  console.log(text)
  await writeFile(new URL('servers-results.md', import.meta.url), `${text}\n`)
  if (!sound) process.exitCode = 1
}
