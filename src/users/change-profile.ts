import type { Queryable } from '../db/query.ts'
import { AppError } from '../errors.ts'
import type { UserId } from '../ids/ids.ts'
import type { Micros } from '../time.ts'
import { trustedEmail } from './code-recipient.ts'
import { displayNameForm, emailForm, handleForm, phoneForm } from './names.ts'
import { claimAll } from './open.ts'
import { lockUser, releaseNames, updateProfile } from './store.ts'
import { nameFields } from './user.ts'
import type { Channel, Contact, Names, User } from './user.ts'

/** What is missing stays as it is. `debitCardId: null` takes the card away. */
export type ProfilePatch = Readonly<{
  displayName?: string
  handle?: string
  email?: string
  phoneNumber?: string
  debitCardId?: string | null
}>

/** `left` are the proven contacts that are the user's no more: `leftContactMessage` is for them. */
export type ProfileChange = Readonly<{ user: User; left: readonly Contact[] }>

/**
 * Changes what a user says of themselves. A new e-mail address or phone number is unverified until
 * a code proves it; the old one is free for others from the commit on. Codes for payments go on to
 * the old e-mail address for a while: see `codeRecipient`.
 *
 * @throws AppError `user_unknown`, `contact_invalid`, `contact_taken`; the transaction must fail.
 */
export async function changeProfile(
  tx: Queryable,
  userId: UserId,
  patch: ProfilePatch,
  now: Micros,
): Promise<ProfileChange> {
  const before = await lockUser(tx, userId)
  if (!before) throw new AppError('user_unknown')
  const after = applyPatch(before, patch, now)

  const changed = nameFields.filter((name) => after[name] !== before[name])
  if (changed.length > 0) {
    // All claims come before any release: whoever waits for a name holds none that another wants.
    const wanted: Names = Object.fromEntries(changed.map((name) => [name, after[name] ?? '']))
    await claimAll(tx, userId, wanted)
    const left = changed.flatMap((name) => before[name] ?? [])
    await releaseNames(tx, userId, left)
  }
  await updateProfile(tx, after)
  return { user: after, left: leftContacts(before, after) }
}

function leftContacts(before: User, after: User): readonly Contact[] {
  const left: Contact[] = []
  const { email, phoneNumber } = before
  if (email !== null && before.emailVerifiedAt !== null && email !== after.email) {
    left.push({ channel: 'email', recipient: email })
  }
  const proven = before.phoneVerifiedAt !== null
  if (phoneNumber !== null && proven && phoneNumber !== after.phoneNumber) {
    left.push({ channel: 'phone', recipient: phoneNumber })
  }
  return left
}

/**
 * What an address or number is told that was proven and is the user's no more: whoever reads it may
 * be the owner of an account that somebody else has got into. It does not tell the new one.
 */
export function leftContactMessage(channel: Channel): Readonly<{ subject: string; body: string }> {
  if (channel === 'phone') {
    const subject = 'Your Farthing phone number was changed'
    const cure = 'Not you? Change it back and tell our support at once.'
    return { subject, body: `Your Farthing account has another phone number now. ${cure}` }
  }
  const body = [
    'Hello,',
    '',
    'the e-mail address of your Farthing account was changed: it is not this one any more. Codes',
    'that confirm payments still come here until the new address has been proven for 24 hours.',
    '',
    'If you changed it, you need not do anything. If it was not you, somebody else is in your',
    'account: change the address back, and tell our support at once. Pass on no code.',
  ].join('\n')
  return { subject: 'Your Farthing e-mail address was changed', body }
}

/**
 * The user with the patch applied, in normal forms. Pure.
 *
 * @throws AppError `contact_invalid`
 */
export function applyPatch(before: User, patch: ProfilePatch, now: Micros): User {
  const email = patch.email === undefined ? before.email : emailForm(patch.email)
  const phoneNumber =
    patch.phoneNumber === undefined ? before.phoneNumber : phoneForm(patch.phoneNumber)
  const displayName =
    patch.displayName === undefined ? before.displayName : displayNameForm(patch.displayName)
  return {
    ...before,
    email,
    phoneNumber,
    displayName,
    // One's own handle is never refused, so that a word reserved later takes nobody's profile away.
    handle:
      patch.handle === undefined || patch.handle === before.handle
        ? before.handle
        : handleForm(patch.handle),
    debitCardId: patch.debitCardId === undefined ? before.debitCardId : patch.debitCardId,
    emailVerifiedAt: email === before.email ? before.emailVerifiedAt : null,
    emailBefore: email === before.email ? before.emailBefore : trustedEmail(before, now),
    phoneVerifiedAt: phoneNumber === before.phoneNumber ? before.phoneVerifiedAt : null,
  }
}
