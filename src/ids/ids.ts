import { MILLISECOND, systemClock } from '../time.ts'
import type { Micros } from '../time.ts'
import { createGenerator, kernelRandom } from './generate.ts'

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

const generate = createGenerator(systemClock, kernelRandom)

/**
 * A new id: it sorts after all that this process made before, also when the clock steps back, and
 * by time among those of other machines, as far as clocks agree. No coordination: docs/ids.md.
 */
export function newId<K extends IdKind>(_kind: K): Ids[K] {
  return generate() as Ids[K]
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
