import assert from 'node:assert/strict'
import { join } from 'node:path'
import type { Connection } from '../../../src/auth/directories/ldap/connection.ts'
import { tool } from './provision.ts'

export const DOMAIN_DN = 'DC=pay,DC=example,DC=test'
/** 15 minutes in intervals of 100 ns; a span is negative. */
const QUARTER = String(-15n * 60n * 10_000_000n)

/** What the rights are for: the class user, and the control access right to reset a password. */
const USER_CLASS = 'bf967aba-0de6-11d0-a285-00aa003049e2'
const RESET_RIGHT = '00299570-246d-11d0-a768-00aa006e0529'

/** `allowDeleting` gives the service account the one right that it does not need. */
export type Seeded = Readonly<{ allowDeleting: () => Promise<void> }>

type Seed = Readonly<{ dir: string; admin: Connection; realm: string; password: string }>

/** The groups of the settings, and one that is in the group of supporters. */
export const domainGroups = {
  support: `CN=Support,OU=PayGroups,${DOMAIN_DN}`,
  operator: `CN=Operators,OU=PayGroups,${DOMAIN_DN}`,
  nightShift: `CN=Night shift,OU=PayGroups,${DOMAIN_DN}`,
} as const

/** What docs/auth.md tells operators to prepare, by a connection that may do everything. */
export async function seed(parts: Seed): Promise<Seeded> {
  const { dir, admin } = parts
  await setPolicy(admin)
  for (const ou of ['Customers', 'PayGroups', 'ServiceAccounts']) {
    await admin.add(`OU=${ou},${DOMAIN_DN}`, { objectClass: ['top', 'organizationalUnit'] })
  }
  for (const dn of Object.values(domainGroups)) {
    const sAMAccountName = dn.slice('CN='.length, dn.indexOf(','))
    await admin.add(dn, { objectClass: ['top', 'group'], sAMAccountName })
  }
  await admin.replace(domainGroups.support, { member: domainGroups.nightShift })
  const sid = await addServiceAccount(parts)
  await allow(dir, [
    `(OA;;CC;${USER_CLASS};;${sid})`,
    `(OA;CIIO;RPWP;;${USER_CLASS};${sid})`,
    `(OA;CIIO;CR;${RESET_RIGHT};${USER_CLASS};${sid})`,
  ])
  return { allowDeleting: async () => await allow(dir, [`(OA;;DC;${USER_CLASS};;${sid})`]) }
}

/** Gives rights on the customers' unit. */
async function allow(dir: string, rights: readonly string[]): Promise<void> {
  const where = [`--objectdn=OU=Customers,${DOMAIN_DN}`, '-s', join(dir, 'run.conf')]
  await tool(['dsacl', 'set', '--action=allow', ...where, `--sddl=${rights.join('')}`])
}

async function setPolicy(admin: Connection): Promise<void> {
  await admin.replace(DOMAIN_DN, {
    minPwdLength: '14',
    pwdProperties: '0',
    pwdHistoryLength: '0',
    minPwdAge: '0',
    maxPwdAge: '0',
    // Operators set none. Tests see what becomes of an account that is locked.
    lockoutThreshold: '10',
    lockoutDuration: QUARTER,
    lockOutObservationWindow: QUARTER,
  })
}

/** Gives its SID. */
async function addServiceAccount({ admin, realm, password }: Seed): Promise<string> {
  const dn = `CN=svc-auth,OU=ServiceAccounts,${DOMAIN_DN}`
  await admin.add(dn, {
    objectClass: ['top', 'person', 'organizationalPerson', 'user'],
    sAMAccountName: 'svc-auth',
    userPrincipalName: `svc-auth@${realm}`,
    userAccountControl: '512',
    unicodePwd: Buffer.from(`"${password}"`, 'utf16le'),
  })
  const entry = await admin.read(dn, { attributes: [], binary: ['objectSid'] })
  return printSid(entry?.['objectSid'])
}

/** [MS-DTYP] section 2.4.2.2, for authorities below 2^32. */
function printSid(bytes: unknown): string {
  assert(Buffer.isBuffer(bytes), 'an account has a SID')
  const count = bytes.readUInt8(1)
  const rest = Array.from({ length: count }, (_, n) => bytes.readUInt32LE(8 + 4 * n))
  return ['S', bytes.readUInt8(0), bytes.readUInt32BE(4), ...rest].join('-')
}
