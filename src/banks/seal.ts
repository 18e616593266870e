import { createHmac } from 'node:crypto'
import type { BankAccountId, UserId } from '../ids/ids.ts'
import { seal, unseal } from '../seal.ts'
import type { Sealed, SealKeys } from '../seal.ts'

/** What banks needs to keep numbers secret: keys that seal them, and one that makes digests. */
export type BankKeys = Readonly<{ sealKeys: SealKeys; digestKey: Uint8Array }>

/** Whose number it is. Sealed into it, so that no sealed number opens in another's row. */
export type Owner = Readonly<{ userId: UserId; bankAccountId: BankAccountId }>

/** Seals an account number for its owner, under the first key. Sealing twice gives other bytes. */
export function sealNumber(keys: SealKeys, owner: Owner, accountNumber: string): Sealed {
  return seal(keys, boundTo(owner), accountNumber)
}

/**
 * The account number inside.
 *
 * @throws Error when the key is not configured, the owner is another, or a byte was changed: each
 * is a fault of the operation, never of a caller. No message tells anything of the number.
 */
export function openSealed(keys: SealKeys, owner: Owner, sealed: Sealed): string {
  return unseal(keys, boundTo(owner), sealed)
}

/**
 * A keyed hash of where money would go, to find duplicates without opening numbers. The label
 * keeps it apart from whatever else is hashed under the same key.
 */
export function numberDigest(
  digestKey: Uint8Array,
  routingNumber: string,
  accountNumber: string,
): Buffer {
  return createHmac('sha256', digestKey)
    .update(`bank-account-number:${routingNumber}:${accountNumber}`)
    .digest()
}

/** Both ids have a fixed length, so no two owners share these bytes. */
function boundTo({ userId, bankAccountId }: Owner): string {
  return `bank-account-number:${userId}:${bankAccountId}`
}
