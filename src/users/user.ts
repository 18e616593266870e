import type { UserId } from '../ids/ids.ts'
import type { Micros } from '../time.ts'

/** `frozen` may sign in, look and receive, but move nothing out. `closed` may not even sign in. */
export type UserStatus = 'active' | 'frozen' | 'closed'

/** A way to reach a user, which a code proves to be theirs. */
export type Channel = 'email' | 'phone'

/** Where a message goes. */
export type Contact = Readonly<{ channel: Channel; recipient: string }>

/** The names by which a user is found, in the order in which they are claimed: see `claimNames`. */
export const nameFields = ['email', 'phoneNumber', 'handle'] as const
export type Names = Partial<Record<(typeof nameFields)[number], string>>

/**
 * E-mail, phone number and handle are in their normal forms. Whoever comes from an outside issuer
 * may have neither of the first two.
 */
export type User = Readonly<{
  userId: UserId
  handle: string
  displayName: string
  email: string | null
  phoneNumber: string | null
  debitCardId: string | null
  status: UserStatus
  emailVerifiedAt: Micros | null
  /** The proven address before this one: see `codeRecipient`. */
  emailBefore: string | null
  phoneVerifiedAt: Micros | null
  createdAt: Micros
}>

export type Tier = 'unverified' | 'verified'

/** Limits rise only when both the e-mail address and the phone number are proven. */
export function tierOf(user: Pick<User, 'emailVerifiedAt' | 'phoneVerifiedAt'>): Tier {
  const proven = user.emailVerifiedAt !== null && user.phoneVerifiedAt !== null
  return proven ? 'verified' : 'unverified'
}
