import { execFileSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import os from 'node:os'
import { v7 } from 'uuid'
import { newId } from '../src/ids/ids.ts'
import { examine } from '../test/ids/many/examine.ts'
import type { Findings } from '../test/ids/many/examine.ts'
import { SIGMAS_MAX } from '../test/ids/many/randomness.ts'
import { makeInProcesses } from '../test/ids/many/run.ts'

// `npm run ids`: 20,000,000 ids of eight processes with wrong clocks are held against what
// docs/ids.md promises, and the making of ids is timed. Writes bench/ids-results.md.

const IDS_EACH = 2_500_000
const ROUNDS = 15
const IDS_A_ROUND = 200_000

const ways = {
  '`newId`': () => newId('txn'),
  '`crypto.randomUUID`': () => randomUUID(),
  "uuid's `v7`": () => v7(),
} as const
const names = Object.keys(ways) as (keyof typeof ways)[]

const load = os.loadavg()[0] ?? Number.NaN
console.log(`Timing: ${ROUNDS} rounds …`)
for (const name of names) perSecond(name)
const rounds: readonly Readonly<Record<string, number>>[] = Array.from({ length: ROUNDS }, () => {
  return Object.fromEntries(names.map((name) => [name, perSecond(name)]))
})
console.log(`Making ${(8 * IDS_EACH).toLocaleString('en')} ids in 8 processes …`)
const before = performance.now()
const made = await makeInProcesses(IDS_EACH)
const madeSeconds = (performance.now() - before) / 1_000
console.log('Examining them …')
const found = examine(made)
const holds = isRight(found)
const report = reportOf(found)
await writeFile(new URL('ids-results.md', import.meta.url), report)
console.log(report)
if (!holds) process.exitCode = 1

function perSecond(name: keyof typeof ways): number {
  const make = ways[name]
  const start = performance.now()
  for (let id = 0; id < IDS_A_ROUND; id += 1) make()
  return (IDS_A_ROUND * 1_000) / (performance.now() - start)
}

function isRight({ ids, collisions, outOfOrder, outOfTime, surprise }: Findings): boolean {
  const isRandom = Math.abs(surprise.sigmas) <= SIGMAS_MAX
  return ids === 8 * IDS_EACH && collisions + outOfOrder + outOfTime === 0 && isRandom
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN
}

function reportOf({ ids, collisions, outOfOrder, outOfTime, surprise }: Findings): string {
  const commit = execFileSync('git', ['rev-parse', 'HEAD'], { encoding: 'utf8' }).trim()
  const sigmas = Math.abs(surprise.sigmas).toFixed(2)
  const rates = names.map((name) => {
    const rate = median(rounds.map((round) => round[name] ?? Number.NaN))
    const ratio = median(rounds.map((round) => (round['`newId`'] ?? 0) / (round[name] ?? 0)))
    return [name, rate.toFixed(0), ratio.toFixed(2)]
  })
  const seen = [
    ['ids that another one equals, of all processes', String(collisions)],
    ['ids that do not sort after the one before, in their process', String(outOfOrder)],
    ["ids with a time that their process's clock does not account for", String(outOfTime)],
    [`least likely sight of the random bits: sigmas, at most ${SIGMAS_MAX}`, sigmas],
  ]
  return [
    '# Ids\n',
    `- Machine: ${os.cpus().length} x ${os.cpus()[0]?.model ?? 'unknown'}`,
    `- Load before the run: ${load.toFixed(1)}`,
    `- Commit: ${commit}`,
    `- Command: \`npm run ids\`, ${new Date().toISOString().slice(0, 10)}`,
    `- Node ${process.versions.node}\n`,
    '## How fast one process makes them\n',
    ...table(['', 'per second', '`newId` makes so many in its time'], rates),
    `\nMedians of ${ROUNDS} rounds of ${IDS_A_ROUND.toLocaleString('en')} each, in turns: of the`,
    'rates, and of the ratios within a round.\n',
    `## ${ids.toLocaleString('en')} ids of 8 processes with wrong clocks\n`,
    ...table(['', 'found'], seen),
    `\nMade, written and read back in ${madeSeconds.toFixed(0)} s. That least likely sight was of`,
    `the ${surprise.what}. **${holds ? 'All holds.' : 'NOT what docs/ids.md promises.'}**\n`,
  ].join('\n')
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): readonly string[] {
  const rule = head.map((_, column) => (column === 0 ? '---' : '---:'))
  return [head, rule, ...rows].map((cells) => `| ${cells.join(' | ')} |`)
}
