import type { Pool } from '../../../../src/db/pool.ts'
import type { UserId } from '../../../../src/ids/ids.ts'
import { digestKey } from '../../../../src/payments/rules/fingerprint.ts'
import { readLies } from '../../kit/books.ts'
import type { Line } from '../load/history.ts'
import { findBadReads } from './reads.ts'
import type { Chains, Link } from './reads.ts'

/** What can be wrong with a history. Each has a bar of zero. */
export const wrongs = ['lost', 'doubled', 'stale', 'overtaken', 'untrue', 'odd', 'silence'] as const
export type Wrong = (typeof wrongs)[number]

export type Verdict = Readonly<{
  /** Answers held against the books: about money, to reads, and to "what came of this key?" */
  moves: number
  accepted: number
  reads: number
  recalls: number
  signIns: number
  /** What was due while too many waited for their answers. */
  unasked: number
  wrong: Readonly<Record<Wrong, readonly string[]>>
}>

/** Holds all that customers heard against the books, which must have come to rest. */
export async function judge(
  pool: Pool,
  lines: readonly Line[],
  before: ReadonlyMap<UserId, number>,
): Promise<Verdict> {
  const heard = lines.flatMap((line) => (line.what === 'move' ? [line.heard] : []))
  const chains = await readChains(pool, [...before.keys()])
  const found = [
    ...(await readLies(pool, heard, await withUnheard(pool, lines, before))),
    ...findBadReads(lines, chains),
    ...findBadRecalls(lines),
    ...lines.flatMap(asWrong),
  ]
  const of = (what: Line['what']): number => lines.filter((line) => line.what === what).length
  return {
    moves: heard.length,
    accepted: heard.filter(({ answer }) => answer?.status === 'accepted').length,
    reads: of('read'),
    recalls: of('recall'),
    signIns: of('sign-in'),
    unasked: of('unasked'),
    wrong: byKind(found),
  }
}

/**
 * What a customer has asked for, and never heard of, may have come to pass: it counts as if it had
 * been there before. That it went unheard is told in its place.
 */
async function withUnheard(
  pool: Pool,
  lines: readonly Line[],
  before: ReadonlyMap<UserId, number>,
): Promise<ReadonlyMap<UserId, number>> {
  const keys = new Set(
    lines.flatMap((line) => (line.what === 'silence' || line.what === 'odd' ? line.key : null)),
  )
  // One that was sent twice may have been heard of once.
  for (const line of lines) if (line.what === 'move') keys.delete(line.heard.key)
  const digests = [...keys].flatMap((key) => (key === null ? [] : digestKey(key)))
  const { rows } = await pool.query<{ id: UserId; count: number }>(
    `select user_id as id, count(*)::int as count from request
     where key_digest = any($1::uuid[]) group by user_id`,
    [`{${digests.join()}}`],
  )
  const unheard = new Map(rows.map(({ id, count }) => [id, count]))
  return new Map([...before].map(([id, count]) => [id, count + (unheard.get(id) ?? 0)]))
}

function byKind(found: readonly Found[]): Verdict['wrong'] {
  const of = (kind: Wrong): readonly string[] =>
    found.filter((one) => one.kind === kind).map(({ what }) => what)
  return Object.fromEntries(wrongs.map((kind) => [kind, of(kind)])) as Record<
    Wrong,
    readonly string[]
  >
}

type Found = Readonly<{ kind: Wrong; what: string }>

function asWrong(line: Line): readonly Found[] {
  if (line.what === 'odd') return [{ kind: 'odd', what: `${line.asked}: ${line.answer}` }]
  if (line.what !== 'silence') return []
  const reasons = line.attempts.slice(-3).map(({ end }) => end)
  return [{ kind: 'silence', what: `${line.asked}: ${reasons.join(', ')}` }]
}

/** What the service says of a key is what was heard under it. */
export function findBadRecalls(lines: readonly Line[]): readonly Found[] {
  const heard = new Map(
    lines.flatMap((line) => (line.what === 'move' ? [[line.heard.key, line.heard] as const] : [])),
  )
  return lines.flatMap((line): readonly Found[] => {
    if (line.what !== 'recall') return []
    const id = heard.get(line.key)?.answer?.id ?? null
    if (line.id === id) return []
    const what = `${line.key} led to ${line.id ?? 'nothing'}, and was heard to be ${id ?? 'nothing'}`
    return [{ kind: line.id === null ? 'stale' : 'untrue', what }]
  })
}

type ChainRow = Link & Readonly<{ account: UserId }>

async function readChains(pool: Pool, users: readonly UserId[]): Promise<Chains> {
  const { rows } = await pool.query<ChainRow>(
    `select account_id as account, transaction_id as id, opens, balance, held
     from entry where account_id = any($1::uuid[]) order by account_id, version`,
    [`{${users.join()}}`],
  )
  return Map.groupBy(rows, ({ account }) => account)
}
