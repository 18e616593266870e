import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import os from 'node:os'
import { promisify } from 'node:util'
import type { Finding } from '../src/ops/audit.ts'
import type { Measured, Phase } from './measure.ts'
import { names } from './phases.ts'
import { median } from './samples.ts'

/** By the names of the phases. */
export type Round = ReadonlyMap<string, Measured>

export type Results = Readonly<{
  phases: readonly Pick<Phase, 'name' | 'unit'>[]
  rounds: readonly Round[]
  /** Its version; null when there was none to compare with. */
  pgbench: string | null
  postgres: string
  peakBytes: number
  /** Processes that wanted to run in the minute before. Above zero, others slowed this run down. */
  loadBefore: number
  entriesBefore: number
  entriesAfter: number
  findings: readonly Finding[]
}>

export type Judgement = Readonly<{ bar: string; found: string; holds: boolean }>

const MEGABYTE = 1_000_000
const MEMORY_MAX_BYTES = 250 * MEGABYTE

/** What must show. A bar that could not be measured does not hold. */
export function judge(results: Results): readonly Judgement[] {
  const perSecond = (name: string) => ratioOf(results, name, names.pgbench, 'perSecond')
  const latency = ratioOf(results, names.http1, names.pgbenchAlone, 'p50Ms')
  const broken = results.findings.filter(({ offences }) => offences.length > 0)
  return [
    times('ledger alone', perSecond(names.ledger), 4),
    times('ledger, 10 hot accounts', perSecond(names.hot), 8),
    times('HTTP payments', perSecond(names.http128), 1.5),
    {
      bar: "one client's p50 over HTTP <= 2 x pgbench's",
      found: `${latency.toFixed(2)} x`,
      holds: latency <= 2,
    },
    {
      bar: `peak memory of the server < ${MEMORY_MAX_BYTES / MEGABYTE} MB`,
      found: `${(results.peakBytes / MEGABYTE).toFixed(0)} MB`,
      holds: results.peakBytes < MEMORY_MAX_BYTES,
    },
    {
      bar: 'audit of all that was done',
      found: broken.length === 0 ? `all ${results.findings.length} checks hold` : list(broken),
      holds: results.findings.length > 0 && broken.length === 0,
    },
  ]
}

function times(bar: string, ratio: number, least: number): Judgement {
  const found = `${ratio.toFixed(2)} x`
  return { bar: `${bar} >= ${least} x pgbench`, found, holds: ratio >= least }
}

const list = (findings: readonly Finding[]): string => findings.map(({ name }) => name).join(', ')

/** The median of the ratios of each round: what slowed one round down slowed both sides of it. */
function ratioOf(
  { rounds }: Results,
  name: string,
  to: string,
  what: 'perSecond' | 'p50Ms',
): number {
  const ratios = rounds.map((round) => {
    return (round.get(name)?.[what] ?? Number.NaN) / (round.get(to)?.[what] ?? Number.NaN)
  })
  return median(ratios)
}

/** @returns what people read; `keep` also writes it to results.md. */
export async function writeReport(
  results: Results,
  { keep }: Readonly<{ keep: boolean }>,
): Promise<string> {
  const text = [
    '# Results',
    await describeRun(results),
    table(results),
    explanation,
    judge(results)
      .map(({ bar, found, holds }) => `- ${holds ? 'PASS' : 'FAIL'}: ${bar}: ${found}`)
      .join('\n'),
  ].join('\n\n')
  if (keep) await writeFile(new URL('results.md', import.meta.url), `${text}\n`)
  return text
}

const columns = ['', 'per second', 'x pgbench', 'p50 ms', 'p99 ms']
const costs = ['ledger or server', 'PostgreSQL', 'clients', 'bytes', 'log bytes']

function table(results: Results): string {
  const rows = [[...columns, ...costs], ...results.phases.map((phase) => row(results, phase))]
  const widths = columns.concat(costs).map((_, at) => {
    return Math.max(...rows.map((cells) => cells[at]?.length ?? 0))
  })
  const lines = rows.map((cells) => {
    const padded = cells.map((cell, at) => {
      return at === 0 ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0)
    })
    return `| ${padded.join(' | ')} |`
  })
  const rule = widths.map((width, at) => '-'.repeat(width - Math.sign(at)) + (at === 0 ? '' : ':'))
  return [lines[0], `| ${rule.join(' | ')} |`, ...lines.slice(1)].join('\n')
}

function row(results: Results, { name, unit }: Results['phases'][number]): readonly string[] {
  const measured = results.rounds.flatMap((round) => round.get(name) ?? [])
  const middle = (what: keyof Measured) => median(measured.map((one) => one[what]))
  const each = (what: 'tableBytes' | 'logBytes') => {
    const total = measured.reduce((sum, one) => sum + one[what] * one.count, 0)
    return total / measured.reduce((sum, { count }) => sum + count, 0)
  }
  return [
    name,
    middle('perSecond').toFixed(0),
    unit === 'read' ? '' : shown(ratioOf(results, name, names.pgbench, 'perSecond'), 2),
    shown(middle('p50Ms'), 2),
    shown(middle('p99Ms'), 2),
    shown(middle('programSeconds'), 3),
    shown(middle('postgresSeconds'), 3),
    shown(middle('clientSeconds'), 3),
    unit === 'payment' ? shown(each('tableBytes'), 0) : '',
    unit === 'read' ? '' : shown(each('logBytes'), 0),
  ]
}

function shown(value: number, digits: number): string {
  return Number.isNaN(value) ? '' : value.toFixed(digits)
}

const explanation = `In each round the phases follow one another, each after a checkpoint and a second of warming up. Times
and rates are the medians of the rounds, "x pgbench" is the median of the ratios within a round. Three
columns are processor seconds for a thousand payments (or reads), by process: of the one that holds
the ledger (its own, or the whole server), of PostgreSQL, and of the clients that ask over HTTP.
"bytes" is what tables and indexes grow by for each payment, "log bytes" what goes to PostgreSQL's log
of changes. Everything, pgbench and clients included, shares the processors of this one machine.

The ledger alone writes two entries for each payment, in books of its own. With the rows of payments
it also writes the transaction and its request, finds replays, and holds limits: what the server does,
without HTTP. Over HTTP, sixteen customers pay behind each connection, each with an access token, whose
signature is checked once a minute, and an Idempotency-Key for each payment; validation and limits are
on. Only the number of requests per caller is not bounded.`

async function describeRun(results: Results): Promise<string> {
  const { rounds, pgbench, postgres, loadBefore, entriesBefore, entriesAfter } = results
  const command = ['npm run bench', ...process.argv.slice(2)].join(' -- ')
  return [
    await describeMachine(command, loadBefore),
    `- Node ${process.versions.node}, PostgreSQL ${postgres}, ${pgbench ?? 'NO PGBENCH: nothing to compare with'}`,
    `- ${rounds.length} rounds; ${count(entriesBefore)} entries in the books before, ${count(entriesAfter)} after`,
  ].join('\n')
}

/** Where and when something was measured, and on which commit. */
export async function describeMachine(command: string, loadBefore: number): Promise<string> {
  const [processor] = os.cpus()
  const memory = Math.round(os.totalmem() / 1_024 ** 3)
  return [
    `- Machine: ${os.cpus().length} x ${processor?.model.trim()}, ${memory} GiB, ${os.type()} ${os.release()}, load ${loadBefore.toFixed(1)} before the run`,
    `- Commit: ${await commit()}`,
    `- Command: \`${command}\`, ${new Date().toISOString().slice(0, 10)}`,
  ].join('\n')
}

function count(number: number): string {
  return number.toLocaleString('en-US')
}

async function commit(): Promise<string> {
  const run = promisify(execFile)
  const cwd = new URL('.', import.meta.url)
  try {
    const { stdout: hash } = await run('git', ['rev-parse', 'HEAD'], { cwd })
    const { stdout: changes } = await run('git', ['status', '--porcelain', '--', '..'], { cwd })
    const ours = changes.split('\n').filter((line) => line !== '' && !line.endsWith('results.md'))
    return hash.trim() + (ours.length > 0 ? ', with changes that are not committed' : '')
  } catch {
    return 'unknown: this is no git checkout'
  }
}
