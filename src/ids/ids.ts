import { randomFillSync } from 'node:crypto'
import { v7 } from 'uuid'
import { MILLISECOND, systemClock } from '../time.ts'
import type { Micros } from '../time.ts'

declare const kind: unique symbol

/**
 * Inside, an id is the canonical text of a UUIDv7; the prefix that says its kind is for the
 * outside.
 */
export type UserId = string & { readonly [kind]: 'user' }
export type BankAccountId = string & { readonly [kind]: 'bank' }
export type TransactionId = string & { readonly [kind]: 'txn' }
export type SessionId = string & { readonly [kind]: 'sess' }
export type MessageId = string & { readonly [kind]: 'msg' }
export type EventId = string & { readonly [kind]: 'event' }

type Ids = {
  user: UserId
  bank: BankAccountId
  txn: TransactionId
  sess: SessionId
  msg: MessageId
  event: EventId
}
export type IdKind = keyof Ids

/** No user has this id. */
export const NOBODY = '00000000-0000-0000-0000-000000000000' as UserId

/**
 * A new id: 48 bits of Unix milliseconds, then at least 42 random ones. Within one process each
 * id sorts after the one before, also when the clock steps back. No coordination between machines.
 * @see RFC 9562 section 5.7
 */
export function newId<K extends IdKind>(_kind: K): Ids[K] {
  const random = randomSlice()
  last = following(last, Number(systemClock.now() / MILLISECOND), random)
  return v7({ random, ...last }) as Ids[K]
}

/** Unix milliseconds, and the 32 bits behind them. */
type Place = Readonly<{ msecs: number; seq: number }>

let last: Place = { msecs: 0, seq: 0 }

/**
 * The place behind another one: a random one in a later millisecond, the very next one in the same,
 * or when the clock has stepped back. After 2^31 of those at least, the milliseconds go ahead of
 * the clock.
 */
export function following(before: Place, nowMsecs: number, random: Uint8Array): Place {
  if (nowMsecs > before.msecs) return { msecs: nowMsecs, seq: randomSequence(random) }
  const seq = (before.seq + 1) | 0
  return { msecs: seq === 0 ? before.msecs + 1 : before.msecs, seq }
}

const RANDOM_BYTES = 16
/** Drawn for 512 ids at once: a call of the system for each would cost more than all the rest. */
const drawn = new Uint8Array(512 * RANDOM_BYTES)
let spent = drawn.length

function randomSlice(): Uint8Array {
  if (spent === drawn.length) {
    randomFillSync(drawn)
    spent = 0
  }
  spent += RANDOM_BYTES
  return drawn.subarray(spent - RANDOM_BYTES, spent)
}

/** Starts in the lower half, so that it has room to grow. Bytes that `v7` does not use itself. */
function randomSequence([a = 0, b = 0, c = 0, d = 0]: Uint8Array): number {
  return ((a & 0x7f) << 24) | (b << 16) | (c << 8) | d
}

/** Sorts before all ids that are made from then on: a bound for who reads by time, and no id. */
export function firstIdAt(at: Micros): string {
  const msecs = (at / MILLISECOND).toString(16).padStart(12, '0')
  return uuidText(msecs.padEnd(32, '0'))
}

/** The outside form: `txn_0198f3c2e1b77c3a9d5e0f1a2b3c4d5e`. It sorts as the inside form does. */
export function printId(kind: IdKind, id: string): string {
  return `${kind}_${id.replaceAll('-', '')}`
}

/** What `printId` writes, for schemas: the kind, then 32 lower-case hexadecimal digits. */
export function idPattern(kind: IdKind): string {
  return `^${kind}_[0-9a-f]{32}$`
}

/** Reads the outside form; `null` when it is not an id of this kind. */
export function parseId<K extends IdKind>(kind: K, text: string): Ids[K] | null {
  if (text.length !== kind.length + 33 || !text.startsWith(`${kind}_`)) return null
  const hex = text.slice(kind.length + 1)
  if (!/^[0-9a-f]{32}$/.test(hex)) return null
  return uuidText(hex) as Ids[K]
}

/** The canonical text of a UUID from its 32 hexadecimal digits; what stands behind is left off. */
export function uuidText(hex: string): string {
  const groups = [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20)]
  return `${groups.join('-')}-${hex.slice(20, 32)}`
}
