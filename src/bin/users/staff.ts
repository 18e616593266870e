import { writeRole } from '../../auth/directories/store.ts'
import { readConfig } from '../../config.ts'
import { StartRefused } from '../../errors.ts'
import { parseId } from '../../ids/ids.ts'
import { staffRoles } from '../../scopes.ts'
import { systemClock } from '../../time.ts'
import { findUser } from '../../users/find.ts'
import { requireMigrated, sharedDatabase, sharedPool } from '../database.ts'

/**
 * Makes somebody support or operator in the built-in directory, or with `customer` neither. Takes
 * hold with their next access token.
 */
export async function staff(user: string, word: string): Promise<number> {
  const userId = parseId('user', user)
  if (!userId) throw new StartRefused(`"${user}" is no user id: they look like user_0198f3c2….`)
  const role = staffRoles.find((known) => known === word) ?? null
  if (role === null && word !== 'customer') {
    throw new StartRefused(`"${word}" is no role: choose ${staffRoles.join(', ')} or customer.`)
  }
  const config = readConfig(process.env)
  if (config.auth.activeDirectory !== null) {
    throw new StartRefused('With AUTH_DIRECTORY=ad, groups of the domain say who has which role.')
  }
  const database = await sharedDatabase(config)
  const pool = sharedPool(config, database.url)
  try {
    await requireMigrated(pool)
    const found = await findUser(pool, userId)
    if (!found) throw new StartRefused('There is no such user.')
    await writeRole(pool, { userId, role, now: systemClock.now() })
    console.log(`${found.handle} is now ${role ?? 'a customer'}.`)
  } finally {
    await pool.end()
    await database.stop()
  }
  return 0
}
