import os from 'node:os'
import { writeFile } from 'node:fs/promises'
import { auditAll } from '../audits.ts'
import { fillPeople } from '../books.ts'
import { describeMachine } from '../report.ts'
import { startServer } from '../server.ts'
import { startWorld } from '../world.ts'
import { CALLERS, overload } from './overload.ts'
import type { Overloaded } from './overload.ts'
import { shareProcessors } from './processors.ts'
import { countWritten } from './written.ts'
import { judge, printRun } from './report.ts'

// Five times capacity for a minute: `npm run overload` writes bench/overload-results.md.
const PEOPLE = 2_000
const SERVERS = 2
const PATIENCE_MS = 20_000
/** More than are busy at any time: whoever comes by the clock does not wait for one. */
const CONNECTIONS = 6_000
const seconds = {
  warmUp: 5,
  capacity: 5,
  calm: 10,
  flood: Number(process.env['SECONDS'] ?? 60),
  after: 15,
}
const keep = process.env['SECONDS'] === undefined

const loadBefore = os.loadavg()[0] ?? Number.NaN
const say = (line: string): void => {
  console.log(`${(performance.now() / 1_000).toFixed(1).padStart(6)} s  ${line}`)
}
const shares = await shareProcessors()
const world = await startWorld()
try {
  const people = await fillPeople(world.house.pool, PEOPLE)
  const server = await startServer({ url: world.house.url, dir: world.dir, servers: SERVERS })
  const runs: Overloaded[] = []
  try {
    const customers = await server.signIn(people)
    const { giveToLoad } = shares
    const common = {
      ...server,
      customers,
      seconds,
      patienceMs: PATIENCE_MS,
      connections: CONNECTIONS,
      giveToLoad,
      say,
    }
    runs.push(await overload({ ...common, what: 'payments' }))
    runs.push(await overload({ ...common, what: 'reads' }))
  } finally {
    await server.stop()
  }
  const stretches = runs.flatMap(({ calm, flood, after }) => [calm, flood, after])
  const written = await countWritten(world.house.pool, stretches)
  const findings = await auditAll(world, say)
  const sound = findings.length > 0 && findings.every(({ offences }) => offences.length === 0)
  await report(runs, [
    ...runs.flatMap(judge),
    {
      holds: written.accepted.found === written.accepted.asked,
      bar: `${written.accepted.asked} keys were heard to be accepted; on record, each with the id that was heard: ${written.accepted.found}`,
    },
    {
      holds: written.refused.found === 0,
      bar: `${written.refused.asked} keys were heard to be refused; on record: ${written.refused.found}`,
    },
    { holds: sound, bar: 'the audit finds nothing' },
  ])
} finally {
  await world.stop()
}

async function report(
  runs: readonly Overloaded[],
  bars: readonly Readonly<{ holds: boolean; bar: string }>[],
): Promise<void> {
  const text = [
    '# Overload',
    await describeMachine('npm run overload', loadBefore),
    `${SERVERS} servers that share a port. ${shares.describe} What they can do is found first, by ${CALLERS} callers who ` +
      'each wait for an answer. Then requests come by the clock, whoever was answered, and are timed from when they ' +
      'were due: a quarter of that, five times that, and a quarter again.',
    ...runs.map(printRun),
    bars.map(({ holds, bar }) => `- ${holds ? 'PASS' : 'FAIL'}: ${bar}`).join('\n'),
  ].join('\n\n')
  console.log(text)
  if (keep) await writeFile(new URL('../overload-results.md', import.meta.url), `${text}\n`)
  if (!bars.every(({ holds }) => holds)) process.exitCode = 1
}
