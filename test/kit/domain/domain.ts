import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ActiveDirectoryConfig } from '../../../src/auth-config.ts'
import { connect } from '../../../src/auth/directories/ldap/connection.ts'
import type { Connection } from '../../../src/auth/directories/ldap/connection.ts'
import { createController, freeAddress, watchOver } from './controller.ts'
import { backdate, provision } from './provision.ts'
import { DOMAIN_DN, domainGroups, seed } from './seed.ts'
import type { Seeded } from './seed.ts'

const REALM = 'pay.example.test'

/** A domain of Active Directory, by Samba, with one controller on a loopback address of its own. */
export type TestDomain = Seeded &
  Readonly<{
    config: ActiveDirectoryConfig
    /** The certificate that signed the controller's. */
    ca: string
    domainDn: string
    /** The same, for the account that may do everything. */
    asAdministrator: ActiveDirectoryConfig
    /** A connection that may do everything. */
    administrator: () => Promise<Connection>
    /** How many binds the controller has looked at so far. */
    binds: () => Promise<number>
    /** Makes a password as old as that, which LDAP does not allow. */
    backdatePassword: (dn: string, days: bigint) => Promise<void>
    start: () => Promise<void>
    /** Ends it as an operator would; `kill` does without a word, and `pause` leaves it deaf. */
    stop: () => Promise<void>
    kill: () => Promise<void>
    pause: () => void
    resume: () => void
    /** Ends it, and leaves nothing behind. */
    remove: () => Promise<void>
  }>

/** Raises a domain in some six seconds. It ends with this process, however that ends. */
export async function startDomain(): Promise<TestDomain> {
  const address = await freeAddress()
  const dir = await mkdtemp(join(tmpdir(), 'farthing-domain-'))
  const relieve = watchOver(dir)
  const passwords = { administrator: newPassword(), service: newPassword() }
  await provision({ dir, address, realm: REALM, password: passwords.administrator })
  const ca = await readFile(join(dir, 'ca.pem'), 'utf8')
  const controller = createController(dir, address)
  await controller.start()

  const config = configOf(dir, address, passwords.service)
  const asAdministrator = {
    ...config,
    bindName: `Administrator@${REALM}`,
    bindPassword: passwords.administrator,
  }
  const administrator = async () => await connectAs(asAdministrator, ca)
  const admin = await administrator()
  const seeded = await seed({ dir, admin, realm: REALM, password: passwords.service })
  admin.close()
  return {
    config,
    ca,
    domainDn: DOMAIN_DN,
    asAdministrator,
    administrator,
    binds: async () => await bindsIn(dir),
    backdatePassword: async (dn, days) => await backdate(dir, dn, days),
    ...seeded,
    ...controller,
    remove: async () => {
      await controller.kill()
      await rm(dir, { recursive: true, force: true })
      relieve()
    },
  }
}

function configOf(dir: string, address: string, bindPassword: string): ActiveDirectoryConfig {
  return {
    urls: [`ldaps://${address}`],
    caFile: join(dir, 'ca.pem'),
    realm: REALM,
    customersDn: `OU=Customers,${DOMAIN_DN}`,
    bindName: `svc-auth@${REALM}`,
    bindPassword,
    supportGroupDn: domainGroups.support,
    operatorGroupDn: domainGroups.operator,
  }
}

async function connectAs(config: ActiveDirectoryConfig, ca: string): Promise<Connection> {
  const url = config.urls[0] ?? assert.fail('a domain has a controller')
  return await connect({ url, ca }, config.bindName, config.bindPassword)
}

function newPassword(): string {
  return `Aa1-${randomBytes(18).toString('base64url')}`
}

async function bindsIn(dir: string): Promise<number> {
  const log = await readFile(join(dir, 'out.log'), 'utf8')
  return log.split('Auth: [LDAP,simple bind').length - 1
}
