import { createHash, randomBytes } from 'node:crypto'
import { parseId } from '../../ids/ids.ts'
import type { UserId } from '../../ids/ids.ts'

const SECRET_BYTES = 32
const refreshToken = /^rt_([0-9a-f]{32})_[A-Za-z0-9_-]{43}$/

/** A refresh token: `rt_`, whose it is, so that one shard finds it, and 256 random bits. */
export function makeRefreshToken(userId: UserId): string {
  const secret = randomBytes(SECRET_BYTES).toString('base64url')
  return `rt_${userId.replaceAll('-', '')}_${secret}`
}

/** Whose a refresh token says it is; `null` when it is none. The digest alone proves it. */
export function ownerOfRefreshToken(token: string): UserId | null {
  const hex = refreshToken.exec(token)?.[1]
  return hex === undefined ? null : parseId('user', `user_${hex}`)
}

/** What is stored in its place. A plain hash is enough: nobody guesses 256 bits. */
export function digestOfRefreshToken(token: string): Buffer {
  return createHash('sha256').update(token).digest()
}
