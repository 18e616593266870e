import type { Queryable } from '../../db/query.ts'
import { StartRefused } from '../../errors.ts'
import { parseId } from '../../ids/ids.ts'
import type { UserId } from '../../ids/ids.ts'
import { userByLogin } from '../../users/find.ts'

/** Tokens end that were issued up to five seconds on: other issuers' clocks may be ahead. */
export const SIGN_IN_LATER = 'Who signs in anew should do so from six seconds on.'

/**
 * Whom somebody at the keyboard means: by id, handle, e-mail address or phone number.
 *
 * @throws StartRefused when that is nobody's.
 */
export async function whom(db: Queryable, said: string): Promise<UserId> {
  const userId = parseId('user', said) ?? (await userByLogin(db, said))
  if (userId) return userId
  throw new StartRefused(
    `Nobody is called "${said}": give an id (user_0198f3c2…), a handle, an e-mail address or a phone number.`,
  )
}
