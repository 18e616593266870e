import { doings } from '../load/history.ts'
import type { Doing, Line } from '../load/history.ts'
import type { Episode } from '../faults/nemesis.ts'
import type { Bar } from '../faults/table.ts'
import { deaths } from '../plan.ts'
import type { Plan, Times } from '../plan.ts'
import { fared, reasonsIn } from './gaps.ts'
import { TOKEN_REFUSED } from '../load/app.ts'
import type { Fared } from './gaps.ts'
import { wrongs } from './judge.ts'
import type { Verdict } from './judge.ts'

/** An episode as it is told: what was done, and how requests fared. */
export type Told = Readonly<{
  faults: readonly string[]
  victims: readonly string[]
  bar: Bar
  lastedMs: number
  /** From its healing until all was whole. */
  wholeAfterMs: number
  missing: string | null
  fared: Readonly<Record<Doing, Fared>>
  /** Why attempts failed, and how often. */
  reasons: Readonly<Record<string, number>>
}>

/** What must hold, what was seen, and whether it does. Slow: it does not, and that is no matter. */
export type BarSeen = Readonly<{
  name: string
  limit: string
  seen: string
  passes: boolean
  slow?: true
}>

/** The audit of today has so many checks: fewer, and it has not looked at all. */
const INVARIANTS = 16
const SHORT_FAULTS = 4
/** Where times are shown and not judged: what takes longer than so many bars is no slow machine. */
const SLOWER = 3
/** Of the moment after all is whole: connections are made anew. */
const AFTERWARDS_MS = 1_000

export function tell(episode: Episode, lines: readonly Line[]): Told {
  const { faults, victims, span, healed, missing } = episode
  const seen = { from: span.from, to: span.to + AFTERWARDS_MS }
  const all = doings.map((doing) => [doing, fared(lines, doing, seen)] as const)
  return {
    faults: faults.map(({ name }) => name),
    victims,
    // Of two at once only what is heard must be true.
    bar: faults.length === 1 ? (faults[0]?.bar ?? {}) : {},
    lastedMs: Math.round(healed - span.from),
    wholeAfterMs: Math.round(span.to - healed),
    missing,
    fared: Object.fromEntries(all) as Told['fared'],
    reasons: reasonsIn(lines, seen),
  }
}

/** What became of what was meant to be done. */
export type Done = Readonly<{
  told: readonly Told[]
  /** Names of faults that were meant, and could not be done. */
  impossible: readonly string[]
  /** Those that were meant, and for which no time was left. */
  left: readonly string[]
  promotions: number | null
}>

/** How many invariants were looked at, and the rows that break one. */
export type Audited = Readonly<{ checks: number; offences: readonly string[] }>

export function barsOf(
  done: Done,
  verdict: Verdict,
  audit: Audited,
  { times, failovers }: Pick<Plan, 'times' | 'failovers'>,
): readonly BarSeen[] {
  const { told } = done
  const unhealed = told.filter(({ missing }) => missing !== null).length
  return [
    ...wrongs.map((wrong) => none(wrong, verdict.wrong[wrong].length)),
    none('invariants broken in the audit', audit.offences.length),
    none('times the cluster did not heal by itself', unhealed),
    none('tokens refused before their time, with clocks that are right', refusedTokens(told)),
    ...barsOfWork(done, verdict, audit),
    barOfReach(done, times),
    ...(failovers ? [barOfPromotions(done)] : []),
    ...barsOfFaults(told, times),
  ]
}

/** A clock that jumps ends tokens, or takes them for made tomorrow. Nothing else does. */
function refusedTokens(told: readonly Told[]): number {
  const right = told.filter(({ faults }) => !faults.some((name) => name.startsWith('clock of')))
  return right.reduce((sum, { reasons }) => sum + (reasons[TOKEN_REFUSED] ?? 0), 0)
}

function none(name: string, seen: number): BarSeen {
  return { name, limit: '0', seen: String(seen), passes: seen === 0 }
}

function least(name: string, limit: number, seen: number): BarSeen {
  return { name, limit: `>= ${limit}`, seen: String(seen), passes: seen >= limit }
}

/** A run in which little happened proves nothing. */
function barsOfWork(
  { told, impossible }: Done,
  verdict: Verdict,
  audit: Audited,
): readonly BarSeen[] {
  const done = new Set(told.flatMap(({ faults }) => faults))
  const never = new Set(impossible.filter((name) => !done.has(name)))
  return [
    least('times something was broken', 1, told.length),
    none('faults that were not possible, however often tried', never.size),
    least('payments and transfers accepted', 1, verdict.accepted),
    least('reads', 1, verdict.reads),
    least('questions what came of a key', 1, verdict.recalls),
    least('sign-ins', 1, verdict.signIns),
    least('invariants that the audit looked at', INVARIANTS, audit.checks),
  ]
}

/** A slow machine does less of the short form: enough to have met each kind of machine. */
function barOfReach({ told, left }: Done, times: Times): BarSeen {
  const title = 'faults that were meant, and not reached in time'
  if (times === 'judged') return none(title, left.length)
  return least('faults', SHORT_FAULTS, new Set(told.flatMap(({ faults }) => faults)).size)
}

function barOfPromotions({ told, promotions }: Done): BarSeen {
  const killed = told.filter(({ faults }) => faults.includes(deaths.host)).length
  return least('times a standby became the primary', killed, promotions ?? 0)
}

function barsOfFaults(told: readonly Told[], times: Times): readonly BarSeen[] {
  const groups = Map.groupBy(told, ({ faults }) => faults.join(' + '))
  return [...groups].flatMap(([name, all]): readonly BarSeen[] => {
    const [{ bar }] = all as [Told]
    const bars: BarSeen[] = []
    const add = (what: string, limit: number, seen: number, besides: number, unit = ''): void => {
      const often = all.length === 1 ? 'once' : `${all.length} times`
      const passes = seen <= limit
      const isSlow = !passes && times === 'shown' && besides <= limit
      bars.push({
        name: `${name} ${often}: ${what}`,
        limit: `${limit}${unit}`,
        seen: `${seen}${unit}`,
        passes: passes || isSlow,
        ...(isSlow ? { slow: true } : {}),
      })
    }
    const { writesWithinMs } = bar
    const most = Math.max(...all.map(({ fared }) => fared.write.longestGapMs))
    if (writesWithinMs !== undefined) {
      add('longest without a write', writesWithinMs, most, most / SLOWER, ' ms')
    }
    const sum = (kind: keyof Fared): number =>
      all.reduce((sum, { fared }) => sum + ofAll(fared, kind), 0)
    if (bar.oneRetryHelps) {
      const what = 'requests that failed after one retry'
      add(what, 0, sum('failedAfterRetry'), sum('refusedAfterRetry'))
    }
    if (bar.nothingFails) {
      add('requests that failed once', 0, sum('failedOnce'), sum('refusedOnce'))
    }
    return bars
  })
}

/** Of all that customers do. */
function ofAll(fared: Told['fared'], kind: keyof Fared): number {
  return doings.reduce((sum, doing) => sum + fared[doing][kind], 0)
}

export type Report = Readonly<{
  /** How to run it again. */
  command: string
  /** Where and when, and on which commit. */
  machine: string
  minutes: number
  customers: number
  perSecond: number
  /** With nothing broken: how requests fare then. */
  calm: Readonly<Record<Doing, Fared>>
  /** How often a standby became the primary. */
  promotions: number | null
  /** What could not be done. */
  impossible: readonly string[]
  verdict: Verdict
  audit: readonly string[]
  episodes: readonly Told[]
  bars: readonly BarSeen[]
}>

export function printReport(report: Report): string {
  const { verdict, bars, calm, episodes } = report
  const passes = bars.every(({ passes }) => passes)
  const asked = doings.reduce((sum, doing) => sum + calm[doing].answered, 0)
  return [
    `${passes ? 'PASS' : 'FAIL'}: \`${report.command}\``,
    '',
    report.machine,
    `- Load: ${report.customers} customers, ${report.perSecond} requests/s through two balancers,` +
      ` for ${report.minutes} minutes`,
    '',
    `Held against the books: ${verdict.moves} answers about money (${verdict.accepted} accepted),` +
      ` ${verdict.reads} reads, ${verdict.recalls} questions what came of a key;` +
      ` ${verdict.signIns} sign-ins.` +
      ` ${verdict.unasked} more were due while too many waited, and were not asked.`,
    `${episodes.length} times something was broken;` +
      ` ${report.promotions ?? '?'} times a standby became the primary.`,
    `With nothing broken (${asked} requests), half of the gaps between answers about money were` +
      ` below ${calm.write.medianGapMs} ms, the longest ${calm.write.longestGapMs} ms.`,
    '',
    ...table(
      ['', 'bar', 'limit', 'seen'],
      bars.map((bar) => [howIs(bar), bar.name, bar.limit, bar.seen]),
    ),
    '',
    'Longest time without an answer, in ms (of several times: the median, and the longest); and',
    'requests that failed once, and once more after one retry.',
    '',
    ...faultTable(episodes),
    ...details(report),
  ].join('\n')
}

function howIs({ passes, slow }: BarSeen): string {
  if (slow) return 'slow'
  return passes ? 'pass' : 'FAIL'
}

function faultTable(episodes: readonly Told[]): readonly string[] {
  const groups = Map.groupBy(episodes, ({ faults }) => faults.join(' + '))
  const rows = [...groups]
    .toSorted(([a], [b]) => a.localeCompare(b))
    .map(([name, all]) => {
      const gaps = doings.map((doing) => spread(all.map(({ fared }) => fared[doing].longestGapMs)))
      const sum = (kind: 'failedOnce' | 'failedAfterRetry'): string =>
        String(all.reduce((sum, { fared }) => sum + ofAll(fared, kind), 0))
      const whole = spread(all.map(({ wholeAfterMs }) => wholeAfterMs))
      const failed = [sum('failedOnce'), sum('failedAfterRetry')]
      return [name, String(all.length), ...gaps, ...failed, whole]
    })
  const head = ['fault', 'times', 'writes', 'reads', 'sign-ins', 'once', 'retried', 'whole after']
  return table(head, rows)
}

/** `median / longest`; of one alone, itself. */
function spread(values: readonly number[]): string {
  const sorted = values.toSorted((a, b) => a - b)
  const most = sorted.at(-1) ?? 0
  return sorted.length < 2 ? String(most) : `${sorted[Math.floor(sorted.length / 2)]} / ${most}`
}

const DETAILS = 10

function details({ verdict, audit, bars, episodes, impossible }: Report): readonly string[] {
  const lines = [
    ...impossible.map((name) => `not possible, and skipped: ${name}`),
    ...wrongs.flatMap((wrong) =>
      verdict.wrong[wrong].slice(0, DETAILS).map((what) => `${wrong}: ${what}`),
    ),
    ...audit.slice(0, DETAILS).map((what) => `audit: ${what}`),
    ...episodes.flatMap(({ faults, missing }) =>
      missing === null ? [] : [`after ${faults.join(' + ')}: ${missing}`],
    ),
    ...(bars.every(({ passes, slow }) => passes && !slow) ? [] : episodes.flatMap(failuresIn)),
  ]
  return lines.length === 0 ? [] : ['', ...lines]
}

/** What a missed bar may be due to. */
function failuresIn({ faults, reasons }: Told): readonly string[] {
  const told = Object.entries(reasons).map(([reason, times]) => `${times} x ${reason}`)
  return told.length === 0 ? [] : [`failed at ${faults.join(' + ')}: ${told.join(', ')}`]
}

/** In Markdown, whose tables are also read as they stand. */
function table(head: readonly string[], rows: readonly (readonly string[])[]): readonly string[] {
  const widths = head.map((cell, column) =>
    Math.max(3, cell.length, ...rows.map((row) => (row[column] ?? '').length)),
  )
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`
  return [line(head), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line)]
}
