import { ID_BYTES, shownAt } from './machines.ts'
import type { Machine } from './machines.ts'
import { createTally } from './randomness.ts'
import type { Surprise } from './randomness.ts'
import type { Made } from './run.ts'

export type Findings = Readonly<{
  ids: number
  /** Ids that are another one's as well, whatever process made them. Counted exactly. */
  collisions: number
  /** Ids that do not sort after the one that their process made before. */
  outOfOrder: number
  /** Ids with a time that their machine's clock does not account for. */
  outOfTime: number
  /** The least likely thing that was seen of the random bits. */
  surprise: Surprise
}>

/** Holds ids against what docs/ids.md promises. */
export function examine(made: Made): Findings {
  const tally = createTally()
  let outOfOrder = 0
  let outOfTime = 0
  let ids = 0
  for (const [machine, bytes] of made) {
    const inTime = createTimeCheck(machine)
    for (let at = 0; at < bytes.length; at += ID_BYTES) {
      if (at > 0 && compare(bytes, at - ID_BYTES, at) >= 0) outOfOrder += 1
      if (!inTime(at / ID_BYTES, bytes.readUIntBE(at, 6))) outOfTime += 1
      tally.count(bytes, at)
      ids += 1
    }
  }
  const sorted = [...made.values()].map((bytes) => sortedOf(bytes))
  return { ids, collisions: collisionsIn(sorted), outOfOrder, outOfTime, surprise: tally.worst() }
}

/** The room that the count has in a millisecond, at least: see docs/ids.md. */
const ROOM = 8_192

/**
 * An id's milliseconds are never below what the clock has shown, and above it only as far as the
 * ids before it filled milliseconds up. So two ids sort as they were made, when more time lies
 * between them than their clocks are apart.
 */
function createTimeCheck(machine: Machine): (nth: number, msecs: number) => boolean {
  const start = shownAt(machine, 0)
  let highest = start
  let filled = 0
  return (nth, msecs) => {
    highest = Math.max(highest, shownAt(machine, nth))
    filled = Math.max(highest - start, filled + 1 / ROOM)
    return msecs >= highest && msecs - start <= filled
  }
}

/** Merges sorted ids, and counts those that equal the one before: exact, and no set of them all. */
function collisionsIn(sorted: readonly Buffer[]): number {
  const places = sorted.map((bytes) => ({ bytes, at: 0 }))
  let collisions = 0
  let before: readonly [Buffer, number] | null = null
  for (;;) {
    let lowest: { bytes: Buffer; at: number } | null = null
    for (const place of places) {
      if (place.at === place.bytes.length) continue
      if (lowest === null || between(place.bytes, place.at, lowest.bytes, lowest.at) < 0) {
        lowest = place
      }
    }
    if (lowest === null) return collisions
    if (before !== null && between(before[0], before[1], lowest.bytes, lowest.at) === 0) {
      collisions += 1
    }
    before = [lowest.bytes, lowest.at]
    lowest.at += ID_BYTES
  }
}

/** Ours come sorted. Others are sorted here, which takes far more memory. */
function sortedOf(bytes: Buffer): Buffer {
  let isSorted = true
  for (let at = ID_BYTES; isSorted && at < bytes.length; at += ID_BYTES) {
    isSorted = compare(bytes, at - ID_BYTES, at) <= 0
  }
  if (isSorted) return bytes
  const ids = Array.from({ length: bytes.length / ID_BYTES }, (_, nth) => {
    return bytes.subarray(nth * ID_BYTES, (nth + 1) * ID_BYTES)
  })
  return Buffer.concat(ids.sort((a, b) => Buffer.compare(a, b)))
}

function compare(bytes: Buffer, a: number, b: number): number {
  return between(bytes, a, bytes, b)
}

function between(a: Buffer, at: number, b: Buffer, bt: number): number {
  for (let part = 0; part < ID_BYTES; part += 4) {
    const apart = a.readUInt32BE(at + part) - b.readUInt32BE(bt + part)
    if (apart !== 0) return apart
  }
  return 0
}
