import type { TransactionId, UserId } from '../../../../src/ids/ids.ts'
import type { Line } from '../load/history.ts'

/** One entry of a user's chain, as the books hold it: versions begin with 1 and have no gap. */
export type Link = Readonly<{
  id: TransactionId
  /** The first of its transaction: the one that the user's history shows. */
  opens: boolean
  balance: bigint
  held: bigint
}>
export type Chains = ReadonlyMap<UserId, readonly Link[]>

/** `stale`: older than something heard before it began. `untrue`: it was never so, or not yet. */
export type BadRead = Readonly<{ kind: 'stale' | 'untrue'; what: string }>

type Read = Extract<Line, Readonly<{ what: 'read' }>>
type Move = Extract<Line, Readonly<{ what: 'move' }>>
/** Of two at the same moment neither was before the other: who asks then has not heard. */
type Event = Readonly<{ at: number; rank: 'asks' | 'hears'; happens: () => void }>

/**
 * Holds every read against the one true order of things, the chain of the user's entries: what it
 * showed must have been so at a version
 * - not before any that somebody had heard of, by an answer or by another read, when it began;
 * - not behind an entry that was asked for only when it had ended.
 *
 * Pure, and exact: a read passes when and only when such a version exists, for the least versions
 * that earlier reads can have shown.
 */
export function findBadReads(lines: readonly Line[], chains: Chains): readonly BadRead[] {
  const reads = lines.filter((line) => line.what === 'read')
  const moves = lines.filter((line) => line.what === 'move')
  const byUser = Map.groupBy(reads, ({ user }) => user)
  return [...byUser].flatMap(([user, own]) => {
    return badReadsOf(user, own, momentsOf(user, chains.get(user) ?? [], moves))
  })
}

type Moments = Readonly<{
  chain: readonly Link[]
  /** By version: when its transaction was first asked for. */
  asked: readonly number[]
  /** When somebody heard of a version. */
  heard: readonly Readonly<{ at: number; version: number }>[]
}>

function momentsOf(user: UserId, chain: readonly Link[], moves: readonly Move[]): Moments {
  const versions = new Map(
    chain.flatMap(({ id, opens }, index) => (opens ? [[id, index + 1] as const] : [])),
  )
  const asked = Array<number>(chain.length + 1).fill(Number.NEGATIVE_INFINITY)
  const heard: { at: number; version: number }[] = []
  for (const { heard: one, began, ended } of moves) {
    const concerns = one.caller === user || one.payee === user
    const version = one.answer && concerns ? versions.get(one.answer.id) : undefined
    if (version === undefined) continue
    heard.push({ at: ended, version })
    // The same key may be asked for twice, at once or one after the other.
    const before = asked[version] ?? Number.NEGATIVE_INFINITY
    asked[version] = before === Number.NEGATIVE_INFINITY ? began : Math.min(before, began)
  }
  return { chain, asked, heard }
}

function badReadsOf(user: UserId, reads: readonly Read[], moments: Moments): readonly BadRead[] {
  const bad: BadRead[] = []
  const floors = new Map<Read, number>()
  let floor = 0
  const events: Event[] = moments.heard.map(({ at, version }) => ({
    at,
    rank: 'hears',
    happens: () => {
      floor = Math.max(floor, version)
    },
  }))
  for (const read of reads) {
    // The attempt that was answered: what came before it brought nothing.
    const began = read.attempts.at(-1)?.began ?? read.began
    events.push({ at: began, rank: 'asks', happens: () => void floors.set(read, floor) })
    events.push({
      at: read.ended,
      rank: 'hears',
      happens: () => {
        const least = floors.get(read) ?? 0
        const version = firstVersion(read, moments, least)
        if (version === null) bad.push(badRead(user, read, moments, least))
        else floor = Math.max(floor, version)
      },
    })
  }
  const sorted = events.toSorted((a, b) => a.at - b.at || a.rank.localeCompare(b.rank))
  for (const { happens } of sorted) happens()
  return bad
}

/** The first version, not below `least`, at which things were as the read showed them. */
function firstVersion(read: Read, { chain, asked }: Moments, least: number): number | null {
  for (let version = least; version <= chain.length; version += 1) {
    if (version > least && (asked[version] ?? 0) > read.ended) return null
    if (shows(read, chain, version)) return version
  }
  return null
}

function shows({ seen }: Read, chain: readonly Link[], version: number): boolean {
  if (seen.of === 'balance') {
    const { balance, held } = chain[version - 1] ?? { balance: 0n, held: 0n }
    return seen.balance === balance && seen.held === held
  }
  const newest: TransactionId[] = []
  for (let at = version; at > 0 && newest.length < seen.newest.length; at -= 1) {
    const link = chain[at - 1]
    if (link?.opens) newest.push(link.id)
  }
  const isWhole = seen.newest.length > 0 || chain.slice(0, version).every(({ opens }) => !opens)
  if (!isWhole) return false
  // What was open then has entries behind that version: all has come to its end since.
  const later = new Set(chain.slice(version).map(({ id }) => id))
  return seen.newest.every(({ id, open }, at) => id === newest[at] && open === later.has(id))
}

function printNewest(newest: Readonly<{ id: TransactionId; open: boolean }> | undefined): string {
  return newest ? `${newest.id}${newest.open ? ' (open)' : ''}` : 'nothing'
}

function badRead(user: UserId, read: Read, moments: Moments, least: number): BadRead {
  const older = { ...read, ended: Number.POSITIVE_INFINITY }
  const was = firstVersion(older, moments, 0)
  const saw =
    read.seen.of === 'balance'
      ? `${read.seen.balance} (${read.seen.held} held)`
      : `${printNewest(read.seen.newest[0])} as the newest transaction`
  const so = was === null ? 'which was never so' : `which was so at version ${was}`
  const what = `${user} read ${saw}, ${so}, when version ${least} had been heard of`
  return { kind: was !== null && was < least ? 'stale' : 'untrue', what }
}
