import type { Queryable } from '../db/query.ts'
import { AppError } from '../errors.ts'
import type { UserId } from '../ids/ids.ts'
import { addJob } from '../queue/jobs.ts'
import { changeProfile as change, leftContactMessage } from '../users/change-profile.ts'
import { confirmContact as confirm, issueContactCode } from '../users/contacts.ts'
import type { Channel } from '../users/user.ts'
import { once } from './ride/once.ts'
import type { PaymentParts, QuietParts } from './parts.ts'
import type { Key, ProfilePatch, Shown } from './asks.ts'
import type { Answered, OwnUser } from './rules/views.ts'
import { ownUser } from './wallet.ts'

const whole = { start: null, end: null } as const

/**
 * Changes the profile. A new contact is sent a code, unless codes were sent too lately or too
 * often; the proven one that it replaces is told, in case it was not its owner who did it.
 *
 * @throws AppError `contact_invalid`, `contact_taken`, `idempotency_key_reused`; for a contact
 * also `step_up_required`.
 */
export async function changeProfile(
  parts: PaymentParts,
  caller: UserId,
  patch: ProfilePatch,
  key: Key,
  { fresh }: Shown,
): Promise<Answered<OwnUser>> {
  const ask = { caller, key, action: 'user.change', ask: patchAsked(patch) }
  const { replayed } = await once<UserId>(parts, ask, async (tx) => {
    // Here, where a request that was carried out before never comes.
    const contact = patch.email !== undefined || patch.phoneNumber !== undefined
    if (contact && !fresh) throw new AppError('step_up_required')
    const { left } = await change(tx, caller, patch, parts.clock.now())
    for (const contact of left) {
      const message = leftContactMessage(contact.channel)
      await addJob(tx, 'send-message', { userId: caller, ...contact, ...message }, {})
    }
    if (patch.email !== undefined) await sendCodeIfNeeded(parts, tx, caller, 'email')
    if (patch.phoneNumber !== undefined) await sendCodeIfNeeded(parts, tx, caller, 'phone')
    return caller
  })
  return { value: await ownUser(parts, caller, whole), replayed }
}

/**
 * @throws AppError `contact_missing`, `contact_verified`, `rate_limited`, `idempotency_key_reused`.
 */
export async function sendContactCode(
  parts: PaymentParts,
  caller: UserId,
  channel: Channel,
  key: Key,
): Promise<Answered<null>> {
  const ask = { caller, key, action: 'contact.send', ask: [channel] }
  const { replayed } = await once(parts, ask, async (tx) => {
    await sendCode(parts, tx, caller, channel)
    return null
  })
  return { value: null, replayed }
}

/** @throws AppError `code_wrong`, `code_expired`, `contact_verified`, `idempotency_key_reused`. */
export async function confirmContact(
  parts: PaymentParts,
  caller: UserId,
  { channel, code }: Readonly<{ channel: Channel; code: string }>,
  key: Key,
): Promise<Answered<OwnUser>> {
  const { replayed } = await once<UserId>(
    parts,
    { caller, key, action: 'contact.confirm', ask: [channel, code] },
    async (tx) => {
      const { digestKey, clock } = parts
      await confirm(tx, { userId: caller, channel, code, digestKey, now: clock.now() })
      return caller
    },
    { countsRefusals: true },
  )
  return { value: await ownUser(parts, caller, whole), replayed }
}

/** Sends a new code to one of the user's contacts. @throws AppError as `issueContactCode` does. */
export async function sendCode(
  parts: QuietParts,
  tx: Queryable,
  userId: UserId,
  channel: Channel,
): Promise<void> {
  const { digestKey, clock } = parts
  const seeded = await issueContactCode(tx, { userId, channel, digestKey, now: clock.now() })
  await addJob(tx, 'send-contact-code', seeded, {})
}

/** The members in one order, whatever order they came in; a member that is missing is not null. */
function patchAsked(patch: ProfilePatch): readonly unknown[] {
  const { displayName, handle, email, phoneNumber, debitCardId } = patch
  const members = { displayName, handle, email, phoneNumber, debitCardId }
  return Object.entries(members).filter(([, value]) => value !== undefined)
}

/**
 * A profile may be written again as it was: a contact that is proven stays so. And it may be
 * written when no code can be sent now: one may be asked for later.
 */
async function sendCodeIfNeeded(
  parts: PaymentParts,
  tx: Queryable,
  userId: UserId,
  channel: Channel,
): Promise<void> {
  try {
    await sendCode(parts, tx, userId, channel)
  } catch (error) {
    const needless = ['contact_verified', 'rate_limited']
    if (!(error instanceof AppError) || !needless.includes(error.code)) throw error
  }
}
