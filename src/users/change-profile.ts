import type { Queryable } from '../db/query.ts'
import { AppError } from '../errors.ts'
import type { UserId } from '../ids/ids.ts'
import { displayNameForm, emailForm, handleForm, phoneForm } from './names.ts'
import { claimAll } from './open.ts'
import { lockUser, releaseNames, updateProfile } from './store.ts'
import { nameFields } from './user.ts'
import type { Names, User } from './user.ts'

/** What is missing stays as it is. `debitCardId: null` takes the card away. */
export type ProfilePatch = Readonly<{
  displayName?: string
  handle?: string
  email?: string
  phoneNumber?: string
  debitCardId?: string | null
}>

/**
 * Changes what a user says of themselves. A new e-mail address or phone number is unverified until
 * a code proves it; the old one is free for others from the commit on.
 *
 * @throws AppError `user_unknown`, `contact_invalid`, `contact_taken`; the transaction must fail.
 */
export async function changeProfile(
  tx: Queryable,
  userId: UserId,
  patch: ProfilePatch,
): Promise<User> {
  const before = await lockUser(tx, userId)
  if (!before) throw new AppError('user_unknown')
  const after = applyPatch(before, patch)

  const changed = nameFields.filter((name) => after[name] !== before[name])
  if (changed.length > 0) {
    // All claims come before any release: whoever waits for a name holds none that another wants.
    const wanted: Names = Object.fromEntries(changed.map((name) => [name, after[name]]))
    await claimAll(tx, userId, wanted)
    await releaseNames(
      tx,
      userId,
      changed.map((name) => before[name]),
    )
  }
  await updateProfile(tx, after)
  return after
}

/**
 * The user with the patch applied, in normal forms. Pure.
 *
 * @throws AppError `contact_invalid`
 */
export function applyPatch(before: User, patch: ProfilePatch): User {
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
    phoneVerifiedAt: phoneNumber === before.phoneNumber ? before.phoneVerifiedAt : null,
  }
}
