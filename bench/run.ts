import { auditBooks, printFinding } from '../src/ops/audit.ts'
import { countEntries, fillBooks } from './books.ts'
import { measure } from './measure.ts'
import type { Measured } from './measure.ts'
import { preparePgbench } from './pgbench.ts'
import { preparePhases } from './phases.ts'
import { peakMemoryBytes } from './processes.ts'
import { judge, writeReport } from './report.ts'
import type { Results } from './report.ts'
import { startServer } from './server.ts'
import { startWorld } from './world.ts'
import type { World } from './world.ts'

const sizes = {
  whole: { customers: 2_000, wallets: 100_000, entries: 1_000_000, rounds: 5, seconds: 3 },
  quick: { customers: 2_000, wallets: 100_000, entries: 100_000, rounds: 1, seconds: 2 },
} as const

const quick = process.argv.includes('--quick')
const size = quick ? sizes.quick : sizes.whole
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
  say('fill the books')
  const { customers, wallets } = await fillBooks(world.pool, size)
  const entriesBefore = await countEntries(world.pool)
  const server = await startServer(world)
  const phases = await preparePhases({
    pgbench,
    posters: { url: world.url, wallets },
    server,
    customers: await server.signIn(customers),
  })
  const rounds: Map<string, Measured>[] = []
  let peakBytes = Number.NaN
  try {
    for (let round = 1; round <= size.rounds; round += 1) {
      const measured = new Map<string, Measured>()
      for (const phase of phases.list) {
        const found = await measure(world, phase, size.seconds)
        measured.set(phase.name, found)
        say(`round ${round}: ${phase.name}: ${Math.round(found.perSecond)}/s`)
      }
      rounds.push(measured)
    }
    peakBytes = peakMemoryBytes(server.pid)
  } finally {
    await phases.stop()
    await server.stop()
  }
  say('audit')
  const findings = await auditBooks(world.pool, (finding) => say(printFinding(finding)))
  return {
    phases: phases.list.map(({ name, unit }) => ({ name, unit })),
    rounds,
    pgbench: pgbench?.version ?? null,
    postgres: await world.postgresVersion(),
    peakBytes,
    entries: { before: entriesBefore, after: await countEntries(world.pool) },
    findings,
  }
}

function say(line: string): void {
  console.log(`${(performance.now() / 1_000).toFixed(1).padStart(6)} s  ${line}`)
}
