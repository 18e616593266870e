import type { Queryable } from '../../db/query.ts'
import { StartRefused } from '../../errors.ts'
import { parseId } from '../../ids/ids.ts'
import type { UserId } from '../../ids/ids.ts'
import { userByLogin } from '../../users/find.ts'

/** Tokens end that were issued up to five seconds on: other machines' clocks may be ahead. */
export const SIGN_IN_LATER = 'Who signs in anew should do so from six seconds on.'

/**
 * Whom somebody at the keyboard means: by id, handle, e-mail address or phone number. For what
 * takes something away.
 *
 * @throws StartRefused when that is nobody's.
 */
export async function whom(db: Queryable, said: string): Promise<UserId> {
  const userId = parseId('user', said) ?? (await userByLogin(db, said))
  if (userId) return userId
  const names = 'an id (user_0198f3c2…), a handle, an e-mail address or a phone number'
  throw new StartRefused(`Nobody is called "${said}": give ${names}.`)
}

/**
 * Whom an id means. For what gives something: a stranger may have taken the handle that a colleague
 * would choose, or signed up with an address that they have not proven.
 *
 * @throws StartRefused when it is none.
 */
export function byId(said: string): UserId {
  const userId = parseId('user', said)
  if (userId) return userId
  throw new StartRefused(
    `"${said}" is no user id: they look like user_0198f3c2…. "farthing whoami" shows one's own.`,
  )
}
