import assert from 'node:assert'
import { openSync, readSync } from 'node:fs'
import { v7 } from 'uuid'
import { MILLISECOND } from '../time.ts'
import type { Clock } from '../time.ts'

/**
 * Makes UUIDs of version 7, each after the one before, whatever the clock does: 48 bits of Unix
 * milliseconds, a count of 14, and 60 random bits that no other id helps to guess. What that
 * promises, and where it ends: docs/ids.md.
 * @param fill Overwrites bytes with random ones.
 * @see RFC 9562 sections 5.7 and 6.2, method 1
 */
export function createGenerator(clock: Clock, fill: (bytes: Uint8Array) => void): () => string {
  const draw = createPool(fill)
  let last: Place = { msecs: 0, count: COUNT_MAX }
  return () => {
    const nowMsecs = Number(clock.now() / MILLISECOND)
    const random = draw(nowMsecs)
    last = following(last, nowMsecs, random)
    return v7({ random, msecs: last.msecs, seq: (last.count << 18) | randomBits(random, 18) })
  }
}

/** Unix milliseconds, and the count behind them. */
type Place = Readonly<{ msecs: number; count: number }>

const COUNT_MAX = 0x3fff

/**
 * The place behind another one. Within a millisecond it is the very next. A later millisecond is
 * entered at random in the lower half, with room for 8,192 more; where that does not suffice, or
 * the clock has stepped back, the milliseconds go ahead of the clock.
 */
export function following(before: Place, nowMsecs: number, random: Uint8Array): Place {
  if (nowMsecs <= before.msecs && before.count < COUNT_MAX) {
    return { msecs: before.msecs, count: before.count + 1 }
  }
  const [, , , a = 0, b = 0] = random
  return { msecs: Math.max(nowMsecs, before.msecs + 1), count: ((a & 0x1f) << 8) | b }
}

/** From bytes that neither `v7` takes (10 to 15) nor the start of a count (3 and 4). */
function randomBits([a = 0, b = 0, c = 0]: Uint8Array, bits: number): number {
  return ((a << 16) | (b << 8) | c) >>> (24 - bits)
}

const RANDOM_BYTES = 16
/** Drawn for 512 ids at once: a call of the system for each would cost more than all the rest. */
const POOL_BYTES = 512 * RANDOM_BYTES
/** A machine that was copied while it ran, and wakes up twice, must not spend one pool twice. */
const POOL_AGE_MAX_MS = 1_000

function createPool(fill: (bytes: Uint8Array) => void): (nowMsecs: number) => Uint8Array {
  const pool = new Uint8Array(POOL_BYTES)
  let spent = POOL_BYTES
  let drawnMsecs = 0
  return (nowMsecs) => {
    if (spent === POOL_BYTES || Math.abs(nowMsecs - drawnMsecs) > POOL_AGE_MAX_MS) {
      fill(pool)
      spent = 0
      drawnMsecs = nowMsecs
    }
    spent += RANDOM_BYTES
    return pool.subarray(spent - RANDOM_BYTES, spent)
  }
}

let device: number | null = null

/**
 * Random bytes of the kernel, not of the generator that OpenSSL keeps in this process: a copy of
 * the process has that as well, while a kernel that was told of the copying begins anew.
 * @see random(4)
 */
export function kernelRandom(bytes: Uint8Array): void {
  device ??= openSync('/dev/urandom', 'r')
  // A signal may cut a long read short.
  for (let filled = 0; filled < bytes.length;) {
    const read = readSync(device, bytes, filled, bytes.length - filled, null)
    assert(read > 0, 'the kernel has no random bytes')
    filled += read
  }
}
