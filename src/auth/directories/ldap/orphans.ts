import { AndFilter, EqualityFilter, ExtensibleFilter } from 'ldapts'
import type { Entry } from 'ldapts'
import type { Queryable } from '../../../db/query.ts'
import { parseTime } from '../../../time.ts'
import type { Micros } from '../../../time.ts'
import { guidOf } from './accounts.ts'
import type { Connection } from './connection.ts'
import { ldapCodes, LdapRefused } from './refused.ts'
import { knownAccounts } from './store.ts'

/** A sweep deletes no more: what is left is found by the next. */
const SWEEP_MAX = 1_000
/** LDAP_MATCHING_RULE_BIT_AND, [MS-ADTS] section 3.1.1.3.4.4.1. */
const ALL_BITS = '1.2.840.113556.1.4.803'

/** Our own: who prepares a domain may have disabled accounts there for other purposes. */
const ourDescription = /^user_[0-9a-f]{32}$/

export type Orphan = Readonly<{ dn: string; guid: string }>

/** What a sweep did: `left` are those that the service account may not delete. */
export type Swept = Readonly<{ deleted: number; left: number }>

/**
 * Accounts that sign-ups made and then no user came to have: disabled, made before a time, and in
 * no row of ours.
 */
export async function findOrphans(
  connection: Connection,
  db: Queryable,
  { customersDn, before }: Readonly<{ customersDn: string; before: Micros }>,
): Promise<readonly Orphan[]> {
  const filter = new AndFilter({
    filters: [
      new EqualityFilter({ attribute: 'objectClass', value: 'user' }),
      new ExtensibleFilter({ matchType: 'userAccountControl', rule: ALL_BITS, value: '2' }),
    ],
  })
  const wanted = { attributes: ['description', 'whenCreated'], binary: ['objectGUID'] }
  const found: Orphan[] = []
  for await (const page of connection.pages(customersDn, filter, wanted)) {
    const ours = page
      .filter((entry) => ourDescription.test(String(entry['description'])))
      .filter((entry) => createdAt(entry) < before)
      .map((entry) => ({ dn: entry.dn, guid: guidOf(entry) }))
    const known = await knownAccounts(
      db,
      ours.map(({ guid }) => guid),
    )
    found.push(...ours.filter(({ guid }) => !known.has(guid)))
    if (found.length >= SWEEP_MAX) break
  }
  return found.slice(0, SWEEP_MAX)
}

/** Deletes them as far as the service account may: the right to is not among those it needs. */
export async function deleteOrphans(
  connection: Connection,
  orphans: readonly Orphan[],
): Promise<Swept> {
  let deleted = 0
  for (const { dn } of orphans) if (await isDeleted(connection, dn)) deleted += 1
  return { deleted, left: orphans.length - deleted }
}

async function isDeleted(connection: Connection, dn: string): Promise<boolean> {
  try {
    await connection.remove(dn)
    return true
  } catch (error) {
    if (!(error instanceof LdapRefused)) throw error
    if (error.result === ldapCodes.noSuchObject) return true
    if (error.result === ldapCodes.insufficientAccessRights) return false
    throw error
  }
}

/** Reads RFC 4517's `20261126195501.0Z`, which Active Directory always writes in UTC. */
function createdAt(entry: Entry): Micros {
  const [, ...parts] =
    /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)\.0Z$/.exec(String(entry['whenCreated'])) ?? []
  const [year, month, day, hour, minute, second] = parts
  const time = parseTime(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`)
  if (time === null) throw new Error('the domain does not show whenCreated of an account')
  return time
}
