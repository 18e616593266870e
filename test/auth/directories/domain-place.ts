import assert from 'node:assert/strict'
import { createActiveDirectory } from '../../../src/auth/directories/active-directory.ts'
import type { ActiveDirectory } from '../../../src/auth/directories/active-directory.ts'
import { findAccount } from '../../../src/auth/directories/ldap/accounts.ts'
import type { Account } from '../../../src/auth/directories/ldap/accounts.ts'
import type { Connection } from '../../../src/auth/directories/ldap/connection.ts'
import { readAccount } from '../../../src/auth/directories/ldap/store.ts'
import type { ActiveDirectoryConfig } from '../../../src/auth-config.ts'
import type { UserId } from '../../../src/ids/ids.ts'
import { systemClock } from '../../../src/time.ts'
import type { Clock } from '../../../src/time.ts'
import { freshDatabase } from '../../kit/database.ts'
import { startDomain } from '../../kit/domain/domain.ts'
import type { TestDomain } from '../../kit/domain/domain.ts'
import { domainGroups } from '../../kit/domain/seed.ts'
import type { Place } from './conformance.ts'

/** A domain with a database beside it, and a hand on both. */
export type DomainPlace = Omit<Place, 'directory' | 'restarted'> &
  Readonly<{
    domain: TestDomain
    directory: ActiveDirectory
    restarted: () => ActiveDirectory
    /** Another directory over the same domain, set up in another way. */
    open: (changes: Partial<ActiveDirectoryConfig>, clock?: Clock) => ActiveDirectory
    /** May do everything, and stays bound as long as the controller runs. */
    admin: Connection
    accountOf: (userId: UserId) => Promise<Account>
    addMember: (group: string, dn: string) => Promise<void>
    close: () => Promise<void>
  }>

export async function openDomainPlace(): Promise<DomainPlace> {
  const database = await freshDatabase()
  const domain = await startDomain()
  const admin = await domain.administrator()
  const opened: ActiveDirectory[] = []

  function open(changes: Partial<ActiveDirectoryConfig>, clock: Clock = systemClock) {
    const config = { ...domain.config, ...changes }
    const directory = createActiveDirectory({ db: database.pool, config, ca: domain.ca, clock })
    opened.push(directory)
    return directory
  }

  async function accountOf(userId: UserId): Promise<Account> {
    const row = await readAccount(database.pool, userId)
    assert(row, 'the user has an account')
    const account = await findAccount(admin, domain.config, row.guid)
    return account ?? assert.fail('the account is there')
  }

  async function addMember(group: string, dn: string): Promise<void> {
    const entry = await admin.read(group, { attributes: ['member'], binary: [] })
    const before = [entry?.['member'] ?? []].flat().map(String)
    await admin.replace(group, { member: [...before, dn] })
  }

  return {
    domain,
    pool: database.pool,
    directory: open({}),
    restarted: () => open({}),
    open,
    admin,
    accountOf,
    addMember,
    giveRole: async (userId, role) => {
      await addMember(domainGroups[role], (await accountOf(userId)).dn)
    },
    close: async () => {
      for (const directory of opened) directory.close()
      admin.close()
      await domain.remove()
      await database.drop()
    },
  }
}
