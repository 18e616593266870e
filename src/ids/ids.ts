import { v7 } from 'uuid'

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

type Ids = {
  user: UserId
  bank: BankAccountId
  txn: TransactionId
  sess: SessionId
  msg: MessageId
}
export type IdKind = keyof Ids

/**
 * A new id: 48 bits of Unix milliseconds, then at least 42 random ones. Within one process each
 * id sorts after the one before, also when the clock steps back. No coordination between machines.
 * @see RFC 9562 section 5.7
 */
export function newId<K extends IdKind>(_kind: K): Ids[K] {
  return v7() as Ids[K]
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
