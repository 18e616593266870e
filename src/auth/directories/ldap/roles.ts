import type { StaffRole } from '../../../scopes.ts'
import { after, MINUTE } from '../../../time.ts'
import type { Clock, Micros } from '../../../time.ts'
import { AppError } from '../../../errors.ts'
import type { Connection } from './connection.ts'
import { ldapCodes, LdapRefused } from './refused.ts'

/** A group that was deleted and made again is another one: after so long it is known. */
const GROUPS_LIVE = 1n * MINUTE

export type RoleGroups = Readonly<Record<StaffRole, string | null>>

/** Which roles an account has, by the groups that it is in, directly or through others. */
export type RolesOf = (connection: Connection, dn: string) => Promise<readonly StaffRole[]>

/**
 * Compares the SIDs that the domain itself counts together for an account, nested groups and all,
 * with those of the groups that stand for roles.
 *
 * @throws AppError `directory_unavailable` from RolesOf when such a group is not there: nobody gets
 * its role, and its members do not lose it for a mistake in the settings without a word.
 */
export function createRolesOf(groups: RoleGroups, clock: Clock): RolesOf {
  const named = Object.entries(groups) as [StaffRole, string | null][]
  let known: Readonly<{ sids: ReadonlyMap<string, StaffRole>; until: Micros }> | null = null

  async function rolesBySid(connection: Connection): Promise<ReadonlyMap<string, StaffRole>> {
    const now = clock.now()
    if (known && now < known.until) return known.sids
    const sids = new Map<string, StaffRole>()
    for (const [role, dn] of named) {
      if (dn !== null) sids.set(await sidOf(connection, dn, role), role)
    }
    known = { sids, until: after(now, GROUPS_LIVE) }
    return sids
  }

  return async (connection, dn) => {
    const roles = await rolesBySid(connection)
    if (roles.size === 0) return []
    const entry = await connection.read(dn, { attributes: [], binary: ['tokenGroups'] })
    const theirs = [entry?.['tokenGroups'] ?? []].flat().filter((sid) => Buffer.isBuffer(sid))
    // Everybody has a primary group at least.
    if (theirs.length === 0) throw new Error('the domain does not show tokenGroups of an account')
    return theirs.flatMap((sid) => roles.get(sid.toString('hex')) ?? []).toSorted()
  }
}

async function sidOf(connection: Connection, dn: string, role: StaffRole): Promise<string> {
  const sid = await readSid(connection, dn)
  if (Buffer.isBuffer(sid)) return sid.toString('hex')
  const name = `AD_${role.toUpperCase()}_GROUP_DN`
  const cause = new Error(`${name} names no group that the service account may read`)
  throw new AppError('directory_unavailable', {}, { cause })
}

async function readSid(connection: Connection, dn: string) {
  try {
    return (await connection.read(dn, { attributes: [], binary: ['objectSid'] }))?.['objectSid']
  } catch (error) {
    if (error instanceof LdapRefused && error.result === ldapCodes.noSuchObject) return null
    throw error
  }
}
