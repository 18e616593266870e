import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'

/** 32-byte keys by their id. The first one seals; all of them open. */
export type SealKeys = ReadonlyMap<string, Uint8Array>

/** `bytes` are nonce, ciphertext and tag, in this order. */
export type Sealed = Readonly<{ keyId: string; bytes: Uint8Array }>

const CIPHER = 'aes-256-gcm'
const KEY_BYTES = 32
const TAG_BYTES = 16

/** Random nonces of 96 bits: safe for 2^32 texts under one key (NIST SP 800-38D section 8.3). */
const NONCE_BYTES = 12

/**
 * Seals a text under the first key. Sealing twice gives other bytes.
 *
 * @param boundTo Says what it is and whose: it opens with the same words only, and so not in
 * another's row. It is not secret, and an error may name it.
 */
export function seal(keys: SealKeys, boundTo: string, text: string): Sealed {
  const keyId = currentKeyId(keys)
  const nonce = randomBytes(NONCE_BYTES)
  const cipher = createCipheriv(CIPHER, keyOf(keys, keyId), nonce, { authTagLength: TAG_BYTES })
  cipher.setAAD(Buffer.from(boundTo))
  const hidden = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()])
  return { keyId, bytes: Buffer.concat([nonce, hidden, cipher.getAuthTag()]) }
}

/**
 * The text inside.
 *
 * @throws Error when the key is not configured, it was bound to something else, or a byte was
 * changed: each is a fault of the operation, never of a caller. No message tells anything of the
 * text.
 */
export function unseal(keys: SealKeys, boundTo: string, sealed: Sealed): string {
  const key = keyOf(keys, sealed.keyId)
  const { bytes } = sealed
  if (bytes.length < NONCE_BYTES + TAG_BYTES) throw new Error('a sealed text is cut short')
  const nonce = bytes.subarray(0, NONCE_BYTES)
  const opener = createDecipheriv(CIPHER, key, nonce, { authTagLength: TAG_BYTES })
  opener.setAAD(Buffer.from(boundTo))
  opener.setAuthTag(bytes.subarray(-TAG_BYTES))
  const plain = opener.update(bytes.subarray(NONCE_BYTES, -TAG_BYTES))
  try {
    return Buffer.concat([plain, opener.final()]).toString('utf8')
  } catch (cause) {
    const facts = `${boundTo}, key "${sealed.keyId}"`
    throw new Error(`a sealed text is not authentic: ${facts}`, { cause })
  }
}

/** The key that new texts are sealed under. @throws Error when none is configured. */
export function currentKeyId(keys: SealKeys): string {
  const [first] = keys.keys()
  if (first === undefined) throw new Error('no seal key is configured')
  return first
}

function keyOf(keys: SealKeys, keyId: string): Uint8Array {
  const key = keys.get(keyId)
  if (!key) {
    throw new Error(`a text is sealed under key "${keyId}", which the configuration lacks`)
  }
  if (key.length !== KEY_BYTES) throw new Error(`seal key "${keyId}" is not ${KEY_BYTES} bytes`)
  return key
}
