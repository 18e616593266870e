import { AppError } from '../../../errors.ts'
import { parseId } from '../../../ids/ids.ts'
import type { UserId } from '../../../ids/ids.ts'

/** A credential id has 1,023 bytes at most. @see WebAuthn Level 3, section 4 */
const credentialId = /^[A-Za-z0-9_-]{1,1364}$/

/** One line, and nothing in it that is not seen. */
const name = /^[^\p{C}\p{Zl}\p{Zp}]{1,60}$/u

/** Whether a text can be a credential's id, in base64url. */
export function isCredentialId(text: string): boolean {
  return credentialId.test(text)
}

/**
 * How an owner calls a passkey, without blanks around it.
 *
 * @throws AppError `request_invalid` with field `/name`.
 */
export function nameForm(text: string): string {
  const form = text.trim()
  if (name.test(form)) return form
  throw new AppError('request_invalid', { field: '/name', why: 'one line of 1 to 60 characters' })
}

/**
 * The 16 bytes of a user's id, which an authenticator keeps with the passkey and gives back: by
 * them a passkey says whose it is. They name nobody. @see WebAuthn Level 3, section 14.6.1
 */
export function handleOf(userId: UserId): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Buffer.from(userId.replaceAll('-', ''), 'hex'))
}

/** Whose a handle in base64url is; `null` when it is no user's id. */
export function ownerOf(handle: string): UserId | null {
  return parseId('user', `user_${Buffer.from(handle, 'base64url').toString('hex')}`)
}
