import { createCipheriv, createDecipheriv, createHmac, randomBytes } from 'node:crypto'
import type { BankAccountId, UserId } from '../ids/ids.ts'

/** 32-byte keys by their id. The first one seals; all of them open. */
export type SealKeys = ReadonlyMap<string, Uint8Array>

/** What banks needs to keep numbers secret: keys that seal them, and one that makes digests. */
export type BankKeys = Readonly<{ sealKeys: SealKeys; digestKey: Uint8Array }>

/** Whose number it is. Sealed into it, so that no sealed number opens in another's row. */
export type Owner = Readonly<{ userId: UserId; bankAccountId: BankAccountId }>

/** `bytes` are nonce, ciphertext and tag, in this order. */
export type Sealed = Readonly<{ keyId: string; bytes: Uint8Array }>

const CIPHER = 'aes-256-gcm'
const KEY_BYTES = 32
const TAG_BYTES = 16

/** Random nonces of 96 bits: safe for 2^32 numbers under one key (NIST SP 800-38D section 8.3). */
const NONCE_BYTES = 12

/** Seals an account number for its owner, under the first key. Sealing twice gives other bytes. */
export function sealNumber(keys: SealKeys, owner: Owner, accountNumber: string): Sealed {
  const keyId = currentKeyId(keys)
  const nonce = randomBytes(NONCE_BYTES)
  const cipher = createCipheriv(CIPHER, keyOf(keys, keyId), nonce, { authTagLength: TAG_BYTES })
  cipher.setAAD(boundTo(owner))
  const hidden = Buffer.concat([cipher.update(accountNumber, 'utf8'), cipher.final()])
  return { keyId, bytes: Buffer.concat([nonce, hidden, cipher.getAuthTag()]) }
}

/**
 * The account number inside.
 *
 * @throws Error when the key is not configured, the owner is another, or a byte was changed: each
 * is a fault of the operation, never of a caller. No message tells anything of the number.
 */
export function openSealed(keys: SealKeys, owner: Owner, sealed: Sealed): string {
  const key = keyOf(keys, sealed.keyId)
  const { bytes } = sealed
  if (bytes.length < NONCE_BYTES + TAG_BYTES) throw new Error('a sealed number is cut short')
  const nonce = bytes.subarray(0, NONCE_BYTES)
  const opener = createDecipheriv(CIPHER, key, nonce, { authTagLength: TAG_BYTES })
  opener.setAAD(boundTo(owner))
  opener.setAuthTag(bytes.subarray(-TAG_BYTES))
  const plain = opener.update(bytes.subarray(NONCE_BYTES, -TAG_BYTES))
  try {
    return Buffer.concat([plain, opener.final()]).toString('utf8')
  } catch (cause) {
    const facts = `bank account ${owner.bankAccountId}, key "${sealed.keyId}"`
    throw new Error(`a sealed number is not authentic: ${facts}`, { cause })
  }
}

/** The key that new numbers are sealed under. @throws Error when none is configured. */
export function currentKeyId(keys: SealKeys): string {
  const [first] = keys.keys()
  if (first === undefined) throw new Error('no seal key is configured')
  return first
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

function keyOf(keys: SealKeys, keyId: string): Uint8Array {
  const key = keys.get(keyId)
  if (!key) {
    throw new Error(`a number is sealed under key "${keyId}", which the configuration lacks`)
  }
  if (key.length !== KEY_BYTES) throw new Error(`seal key "${keyId}" is not ${KEY_BYTES} bytes`)
  return key
}

/** Both ids have a fixed length, so no two owners share these bytes. */
function boundTo({ userId, bankAccountId }: Owner): Buffer {
  return Buffer.from(`bank-account-number:${userId}:${bankAccountId}`)
}
