import os from 'node:os'
import { writeFile } from 'node:fs/promises'
import { describeMachine } from '../report.ts'
import { startCluster } from './cluster.ts'
import { startOneMachine } from './one-machine.ts'
import { CALLERS, overload } from './overload.ts'
import type { Overloaded } from './overload.ts'
import { shareProcessors } from './processors.ts'
import { judge, printRun } from './report.ts'
import type { Bar } from './report.ts'
import type { Site } from './site.ts'
import { countWritten } from './written.ts'

// Five times capacity for a minute: `npm run overload` writes bench/overload-results.md, and
// `npm run overload:cluster`, where balancers stand before the servers, has a page of its own.
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
const isCluster = process.argv[2] === 'cluster'
// Dozens of processes on one processor would wait for nothing but their turns.
const shares = await shareProcessors(isCluster ? 4 : 2)
const site = await (isCluster ? startCluster(say) : startOneMachine())
try {
  await flood(site)
} finally {
  await site.stop()
}

async function flood({ target, pool, audit }: Site): Promise<void> {
  const { giveToLoad } = shares
  const common = { target, seconds, patienceMs: PATIENCE_MS, connections: CONNECTIONS }
  const runs: Overloaded[] = []
  for (const what of ['payments', 'reads'] as const) {
    runs.push(await overload({ ...common, what, giveToLoad, say }))
  }
  const stretches = runs.flatMap(({ calm, flood: most, after }) => [calm, most, after])
  const { accepted, refused } = await countWritten(pool, stretches)
  const findings = await audit(say)
  const sound = findings.length > 0 && findings.every(({ offences }) => offences.length === 0)
  await report(runs, [
    ...runs.flatMap(judge),
    {
      holds: accepted.found === accepted.asked,
      bar: `${accepted.asked} keys were heard to be accepted; on record, each with the id that was heard: ${accepted.found}`,
    },
    {
      holds: refused.found === 0,
      bar: `${refused.asked} keys were heard to be refused; on record: ${refused.found}`,
    },
    { holds: sound, bar: 'the audit finds nothing' },
  ])
}

async function report(runs: readonly Overloaded[], bars: readonly Bar[]): Promise<void> {
  const text = [
    '# Overload',
    await describeMachine(site.command, loadBefore),
    `${site.what} ${shares.describe} What they can do is found first, by ${CALLERS} callers who ` +
      'each wait for an answer. Then requests come by the clock, whoever was answered, and are timed from when they ' +
      'were due: a quarter of that, five times that, and a quarter again.',
    ...runs.map(printRun),
    bars.map(({ holds, bar }) => `- ${holds ? 'PASS' : 'FAIL'}: ${bar}`).join('\n'),
  ].join('\n\n')
  console.log(text)
  if (keep) await writeFile(new URL(`../${site.page}`, import.meta.url), `${text}\n`)
  if (!bars.every(({ holds }) => holds)) process.exitCode = 1
}
