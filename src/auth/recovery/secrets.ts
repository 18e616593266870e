import { createHash, createHmac, randomBytes } from 'node:crypto'
import { parseId } from '../../ids/ids.ts'
import type { UserId } from '../../ids/ids.ts'
import type { Channel } from '../../users/user.ts'

/*
 * What is mailed is made from a random seed and the key, each time that it is needed. The job that
 * sends it knows the seed, the database a digest: neither opens anything without the key.
 */

const SEED_BYTES = 32
const CODE_DIGITS = 6
/** Of the 256 bits, what is taken for a code: so many that each is as likely as any other. */
const CODE_BYTES = 6

export type Seeded = Readonly<{ userId: UserId; seed: string }>

export function newSeed(): string {
  return randomBytes(SEED_BYTES).toString('base64url')
}

/** What stands in the link that resets a password: 256 bits. */
export function resetToken(key: Uint8Array, { userId, seed }: Seeded): string {
  return mac(key, ['password-reset', userId, seed]).toString('base64url')
}

/** What stands in the link that cancels: whose it is, so that one shard finds it, and 256 bits. */
export function cancelToken(key: Uint8Array, { userId, seed }: Seeded): string {
  const secret = mac(key, ['factor-reset', userId, seed]).toString('base64url')
  return `${userId.replaceAll('-', '')}_${secret}`
}

/** Whose a token that cancels says it is; null when it is none. The digest alone proves it. */
export function ownerOfCancelToken(token: string): UserId | null {
  const hex = /^([0-9a-f]{32})_[\w-]{43}$/.exec(token)?.[1]
  return hex === undefined ? null : parseId('user', `user_${hex}`)
}

/** The six digits that go to one contact of who lost their second factors. */
export function factorCode(key: Uint8Array, { userId, seed }: Seeded, channel: Channel): string {
  const bits = mac(key, ['factor-code', userId, channel, seed]).readUIntBE(0, CODE_BYTES)
  return String(bits % 10 ** CODE_DIGITS).padStart(CODE_DIGITS, '0')
}

/** What is stored of a token. A plain hash is enough: nobody guesses 256 bits. */
export function digestOfToken(token: string): Buffer {
  return createHash('sha256').update(token).digest()
}

/** What is stored of two codes: keyed, and of both, so that no answer tells which is wrong. */
export function digestOfCodes(
  key: Uint8Array,
  userId: UserId,
  codes: Readonly<{ email: string; phone: string }>,
): Buffer {
  return mac(key, ['factor-proof', userId, codes.email, codes.phone])
}

/** JSON keeps the parts apart: no two lists of texts give the same bytes. */
function mac(key: Uint8Array, parts: readonly string[]): Buffer {
  return createHmac('sha256', key)
    .update(JSON.stringify(['recovery', ...parts]))
    .digest()
}
