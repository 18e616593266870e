import { createRecorder } from '../../auth/guard/record.ts'
import { changeRole } from '../../auth/sessions/change-role.ts'
import { readConfig } from '../../config.ts'
import { requireMigrated } from '../../db/migrated.ts'
import { AppError, StartRefused } from '../../errors.ts'
import { staffRoles } from '../../scopes.ts'
import { systemClock } from '../../time.ts'
import { sharedDatabase, sharedPool } from '../database.ts'
import { SIGN_IN_LATER, byId } from './whom.ts'

/** Whoever may run commands here is an operator. */
const COMMAND = { name: 'a command', clientId: null, network: null, device: null } as const

/**
 * Makes somebody support or operator in the built-in directory, or with `customer` neither. Takes
 * hold within a second: tokens that say otherwise end.
 */
export async function staff(user: string, word: string): Promise<number> {
  const userId = byId(user)
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
    const record = createRecorder(pool, systemClock)
    const parts = { pool, clock: systemClock, record }
    const { handle } = await changeRole(parts, { userId, role, by: COMMAND }).catch(unknownUser)
    console.log(`${handle} is now ${role ?? 'a customer'}. ${SIGN_IN_LATER}`)
  } finally {
    await pool.end()
    await database.stop()
  }
  return 0
}

function unknownUser(error: unknown): never {
  const unknown = error instanceof AppError && error.code === 'user_unknown'
  throw unknown ? new StartRefused('There is no such user.') : error
}
