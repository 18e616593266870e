import type { Directory } from '../auth/directory.ts'
import { findShown } from '../db/citus/shown.ts'
import { AppError } from '../errors.ts'
import { newId } from '../ids/ids.ts'
import type { UserId } from '../ids/ids.ts'
import { walletOf } from '../ledger/account.ts'
import { openAccounts } from '../ledger/store.ts'
import { findUser, userByLogin } from '../users/find.ts'
import { openUser } from '../users/open.ts'
import type { Key, SignUp } from './asks.ts'
import type { QuietParts } from './parts.ts'
import { sendCode } from './people.ts'
import { once, replayOf, requestRecord } from './ride/once.ts'
import type { Ask } from './ride/once.ts'
import type { Answered } from './rules/views.ts'
import * as requests from './ride/store.ts'

export type SignUpParts = QuietParts & Readonly<{ directory: Directory }>

/**
 * Opens a user with a wallet, and sends a code to both contacts. A retry under the same key finds
 * the user that its first try made, by the e-mail address: before, there is no caller to keep it
 * for.
 *
 * @throws AppError `contact_invalid`, `contact_taken`, `password_refused`, `overloaded`,
 * `directory_unavailable`.
 */
export async function signUp(parts: SignUpParts, ask: SignUp, key: Key): Promise<Answered<UserId>> {
  const { directory, clock } = parts
  const { email, phoneNumber, displayName, handle } = ask
  // Looked up before the directory makes an entry that would be in vain.
  if (await userByLogin(parts.pool, email)) return await earlierSignUp(parts, ask, key)
  const userId = newId('user')
  const known = { email, handle, phoneNumber }
  const enrolled = await directory.enroll({ userId, password: ask.password, known })
  try {
    await once<UserId>(parts, signUpRequest(userId, ask, key), async (tx) => {
      const now = clock.now()
      await openUser(tx, { userId, email, phoneNumber, displayName, handle, now })
      await openAccounts(tx, [{ id: walletOf(userId), floor: 'zero' }], now)
      await directory.record(tx, { userId, enrolled, now })
      await sendCode(parts, tx, userId, 'email')
      await sendCode(parts, tx, userId, 'phone')
      return userId
    })
  } catch (error) {
    if (!(error instanceof AppError) || error.code !== 'contact_taken') throw error
    return await earlierSignUp(parts, ask, key, error)
  }
  await finishOrLeave(directory, userId, clock.now())
  return { value: userId, replayed: false }
}

/** The user exists: what is left of their entry is done when they sign in. */
async function finishOrLeave(
  directory: Directory,
  userId: UserId,
  now: Parameters<Directory['finish']>[1],
): Promise<void> {
  try {
    await directory.finish(userId, now)
  } catch (error) {
    const passing = ['directory_unavailable', 'overloaded']
    if (!(error instanceof AppError) || !passing.includes(error.code)) throw error
  }
}

/** The user of the same request, whose e-mail address its first try has taken. */
async function earlierSignUp(
  parts: SignUpParts,
  ask: SignUp,
  key: Key,
  taken = new AppError('contact_taken', { field: '/email' }),
): Promise<Answered<UserId>> {
  const { pool } = parts
  const caller = key === null ? null : await userByLogin(pool, ask.email)
  if (!caller) throw taken
  // The name may be to be seen before the user, and the request that lies beside them.
  await findShown(pool, async () => await findUser(pool, caller), 'outcome_unknown')
  const record = requestRecord(parts.digestKey, signUpRequest(caller, ask, key), null)
  const found = record ? await requests.findRequests(pool, [record]) : []
  const earlier = record && found.length > 0 ? replayOf<UserId>(record, found).subject : null
  if (!earlier) throw taken
  return { value: earlier, replayed: true }
}

function signUpRequest(caller: UserId, ask: SignUp, key: Key): Ask {
  const { email, phoneNumber, password, displayName, handle } = ask
  const asked = [email, phoneNumber, password, displayName, handle]
  return { caller, key, action: 'user.create', ask: asked }
}
