import { after, DAY } from '../time.ts'
import type { Micros } from '../time.ts'
import type { Contact, User } from './user.ts'

/**
 * How long a new e-mail address must have been proven before it is trusted with codes for payments.
 * Until then the owner of the address before may find the notice that it was changed.
 */
const TRUSTED_AFTER = DAY

type Addresses = Pick<User, 'email' | 'emailVerifiedAt' | 'emailBefore'>

/**
 * Where a code goes that confirms a payment: to the e-mail address, unless it took the place of a
 * proven one and has not been proven for 24 hours; then to the one before. Whoever has got into a
 * session changes the address and proves the new one, and yet reads no code. Pure.
 *
 * The first address is used at once, also unproven: there is no other one to ask. Null for a user
 * who has none.
 */
export function codeRecipient(user: Addresses, now: Micros): Contact | null {
  const recipient = trustedEmail(user, now) ?? user.email
  return recipient === null ? null : { channel: 'email', recipient }
}

/** The proven address that is trusted now; null when none was ever proven. Pure. */
export function trustedEmail(user: Addresses, now: Micros): string | null {
  const { email, emailVerifiedAt, emailBefore } = user
  if (emailVerifiedAt === null) return emailBefore
  const isTrusted = emailBefore === null || now >= after(emailVerifiedAt, TRUSTED_AFTER)
  return isTrusted ? email : emailBefore
}
