import { writeFile } from 'node:fs/promises'
import os from 'node:os'
import { describeMachine } from '../../../bench/report.ts'
import type { Told } from './server.ts'

export type Run = Readonly<{
  title: string
  seed: number
  seconds: number
  /** How often each was done. */
  faults: ReadonlyMap<string, number>
  told: Told
}>

const whole = (number: number): string => Math.round(number).toLocaleString('en-US')

/** Writes the file anew after each way of breaking: one that breaks off is told of, too. */
export async function writeResults(
  file: string,
  runs: readonly Run[],
  wanted: number,
): Promise<void> {
  const reads = runs.reduce((sum, { told }) => sum + told.reads, 0)
  const stale = runs.reduce((sum, { told }) => sum + told.stale.length, 0)
  const failed = runs.reduce((sum, { told }) => sum + told.failed.length, 0)
  const soFar = reads >= wanted ? 'PASS' : 'NOT YET ALL'
  const verdict = stale === 0 && failed === 0 ? soFar : 'FAIL'
  const checked = `${whole(reads)} checked reads of ${whole(wanted)} wanted`
  const lines = [
    '# Reads while Redis breaks',
    `${verdict}: ${checked}, **${stale} stale**, ${failed} requests that failed for good`,
    await describeMachine('npm run chaos:cache', os.loadavg()[0] ?? Number.NaN),
    [
      'Two servers pay, rename and read on one PostgreSQL, while the Redis of their copies is',
      'broken in turns. Each read first notes what anybody had heard of its user by then, and its',
      'answer is held against that: [docs/cache.md](../docs/cache.md). A request that may be asked',
      'again is, under the same key, ten times at most.',
    ].join('\n'),
    ...runs.map(describe),
  ]
  await writeFile(file, `${lines.join('\n\n')}\n`)
}

function describe({ title, seed, seconds, faults, told }: Run): string {
  const { reads, payments, counts, stale, failed } = told
  const hits = counts['hit'] ?? 0
  const again = Object.entries(counts).filter(([name]) => name.startsWith('again'))
  const retried = again.map(([name, count]) => `${name.slice('again, '.length)} ${count}`)
  const rows = [
    ['checked reads', whole(reads)],
    ['of them answered by a copy', `${whole(hits)} (${Math.round((100 * hits) / reads)} %)`],
    ['stale', String(stale.length)],
    ['payments', whole(payments)],
    ['failed for good', String(failed.length)],
    ['asked again', retried.length > 0 ? retried.join('; ') : 'none'],
    ['epochs seen to begin, by both servers', whole(counts['epoch on'] ?? 0)],
    ['fences raised', whole(counts['raised'] ?? 0)],
    ['reads a second', whole(reads / seconds)],
    ...[...faults].map(([name, count]) => [`broken: ${name}`, `${count} times`]),
  ]
  const table = rows.map(([what, seen]) => `| ${what} | ${seen} |`)
  return [
    `## ${title}\n`,
    `${(seconds / 60).toFixed(1)} minutes, \`CHAOS_SEED=${seed}\`\n`,
    '| what | seen |',
    '| --- | --- |',
    ...table,
  ].join('\n')
}
