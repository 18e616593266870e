import { describeMachine } from '../report.ts'
import type { Measured } from '../measure.ts'
import { median } from '../samples.ts'

/** With copies first, without second, one pair for each round. */
export type Compared = Readonly<{
  title: string
  pairs: readonly (readonly [Measured, Measured])[]
}>

export type CacheFacts = Readonly<{
  loadBefore: number
  rounds: number
  seconds: number
  reads: readonly Compared[]
  /** Statements of the database for each read, with copies and without, over all kinds of reads. */
  statements: readonly number[]
  compared: Compared
  /** To Redis, for each batch of payments. */
  trips: number
}>

const shown = ['perSecond', 'p50Ms', 'p99Ms', 'postgresSeconds', 'programSeconds'] as const

export async function describeCache(facts: CacheFacts): Promise<string> {
  const { loadBefore, rounds, seconds, reads, statements, compared, trips } = facts
  const [copies = Number.NaN, none = Number.NaN] = statements
  return [
    '# Reads and payments, with copies in Redis and without',
    await describeMachine('npm run bench:cache', loadBefore),
    [
      'Two servers on two databases of one PostgreSQL, alike but for `REDIS_URL`, asked in turns over 32',
      `connections; ${rounds} rounds of ${seconds} s each. Ratios are medians of each round's ratio, of what is with copies to`,
      'what is without; the other figures are medians. "CPU" are processor seconds for a thousand requests. Clients,',
      'server, Redis and PostgreSQL share the processors of one machine.',
    ].join('\n'),
    table(
      'With copies, as a multiple of without',
      ['per second', 'p50', 'p99', 'CPU of PostgreSQL', 'CPU of the server'],
      [...reads, compared].map(({ title, pairs }) => [
        title,
        ...shown.map((name) => `${ratio(pairs, name).toFixed(2)} x`),
      ]),
    ),
    [
      `- Statements of the database for each read, over all of these: ${copies.toFixed(3)} with copies, the servers' own`,
      `  looks at the row among them, and ${none.toFixed(2)} without.`,
      `- Round trips to Redis for each batch of payments: ${trips.toFixed(3)}.`,
    ].join('\n'),
    table(
      'With copies, and without',
      ['per second', 'p50 ms', 'p99 ms', 'CPU of PostgreSQL', 'CPU of the server'],
      [...reads, compared].map(({ title, pairs }) => [
        title,
        both(pairs, 'perSecond', 0),
        both(pairs, 'p50Ms', 2),
        both(pairs, 'p99Ms', 2),
        both(pairs, 'postgresSeconds', 3),
        both(pairs, 'programSeconds', 3),
      ]),
    ),
  ].join('\n\n')
}

type Pairs = Compared['pairs']

function ratio(pairs: Pairs, name: keyof Measured): number {
  return median(pairs.map(([copies, none]) => copies[name] / none[name]))
}

function both(pairs: Pairs, name: keyof Measured, digits: number): string {
  const [copies, none] = [0, 1].map((side) => median(pairs.map((pair) => pair[side]?.[name] ?? 0)))
  return `${(copies ?? 0).toFixed(digits)} / ${(none ?? 0).toFixed(digits)}`
}

function table(
  title: string,
  columns: readonly string[],
  rows: readonly (readonly string[])[],
): string {
  const head = [`| ${title} | ${columns.join(' | ')} |`]
  const rule = [`| --- | ${columns.map(() => '---:').join(' | ')} |`]
  return [...head, ...rule, ...rows.map((cells) => `| ${cells.join(' | ')} |`)].join('\n')
}
