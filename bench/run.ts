import os from 'node:os'
import { auditAll } from './audits.ts'
import { countEntries, fillPast, fillPeople } from './books.ts'
import { measure } from './measure.ts'
import type { Measured } from './measure.ts'
import { preparePgbench } from './load/pgbench.ts'
import type { Pgbench } from './load/pgbench.ts'
import { preparePhases } from './phases.ts'
import type { Phases } from './phases.ts'
import { peakMemoryBytes } from './processes.ts'
import { judge, writeReport } from './report.ts'
import type { Results, Round } from './report.ts'
import { startServer } from './server.ts'
import type { Server } from './server.ts'
import { startWorld } from './world.ts'
import type { World } from './world.ts'

const PEOPLE = 100_000
const CUSTOMERS = 2_048

/** Of each phase before the first round: what is compiled as it runs begins slowly. */
const WARM_UP_SECONDS = 1

const sizes = {
  whole: { pastEntries: 1_000_000, rounds: 5, seconds: 3 },
  quick: { pastEntries: 100_000, rounds: 1, seconds: 1 },
} as const

const quick = process.argv.includes('--quick')
const size = quick ? sizes.quick : sizes.whole
const loadBefore = os.loadavg()[0] ?? Number.NaN
const world = await startWorld()
try {
  const results = await runAll(world)
  console.log(await writeReport(results, { keep: !quick }))
  if (judge(results).some(({ holds }) => !holds)) process.exitCode = 1
} finally {
  await world.stop()
}

async function runAll(world: World): Promise<Results> {
  const pgbench = await preparePgbench(world.pgbenchUrl)
  const server = await startServer({ url: world.house.url, dir: world.dir })
  let measured
  try {
    const phases = await fillAndPrepare(world, pgbench, server)
    try {
      const entriesBefore = await countEntries(world.house.pool)
      measured = { entriesBefore, ...(await runRounds(world, phases)) }
    } finally {
      await phases.stop()
    }
    measured = { ...measured, peakBytes: peakMemoryBytes(server.pid) }
  } finally {
    await server.stop()
  }
  say('audit')
  return {
    ...measured,
    loadBefore,
    entriesAfter: await countEntries(world.house.pool),
    pgbench: pgbench?.version ?? null,
    postgres: await world.postgresVersion(),
    findings: await auditAll(world, say),
  }
}

async function fillAndPrepare(
  { house, bare }: World,
  pgbench: Pgbench | null,
  server: Server,
): Promise<Phases> {
  say('fill the books')
  const alone = { url: bare.url, people: await fillPeople(bare.pool, PEOPLE) }
  const riding = { url: house.url, people: await fillPeople(house.pool, PEOPLE) }
  const customers = riding.people.slice(0, CUSTOMERS)
  await fillPast(house.pool, customers, size.pastEntries)
  for (const { pool } of [house, bare]) await pool.query('vacuum analyze')
  const signedIn = await server.signIn(customers)
  return await preparePhases({ pgbench, posters: { alone, riding }, server, customers: signedIn })
}

async function runRounds(world: World, { list }: Phases) {
  say('warm up')
  for (const { run } of list) await run(WARM_UP_SECONDS)
  const rounds: Round[] = []
  for (let number = 1; number <= size.rounds; number += 1) {
    const round = new Map<string, Measured>()
    for (const phase of list) {
      const found = await measure(world, phase, size.seconds)
      round.set(phase.name, found)
      say(`round ${number}: ${phase.name}: ${Math.round(found.perSecond)}/s`)
    }
    rounds.push(round)
  }
  return { phases: list.map(({ name, unit }) => ({ name, unit })), rounds }
}

function say(line: string): void {
  console.log(`${(performance.now() / 1_000).toFixed(1).padStart(6)} s  ${line}`)
}
