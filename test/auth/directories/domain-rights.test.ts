import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { connect } from '../../../src/auth/directories/ldap/connection.ts'
import type { Connection } from '../../../src/auth/directories/ldap/connection.ts'
import { ldapCodes, LdapRefused } from '../../../src/auth/directories/ldap/refused.ts'
import { encodePassword } from '../../../src/auth/directories/ldap/typed-password.ts'
import { noFactors } from '../../kit/auth.ts'
import { createSignIn } from '../../../src/auth/sign-in.ts'
import { createRecorder } from '../../../src/auth/guard/record.ts'
import { unthrottled } from '../../../src/auth/guard/throttle.ts'
import { newId, printId } from '../../../src/ids/ids.ts'
import { HOUR, after as later, systemClock } from '../../../src/time.ts'
import { here } from '../../kit/auth.ts'
import { component } from '../../kit/components.ts'
import { domainGroups } from '../../kit/domain/seed.ts'
import { refusedAs } from '../../kit/refused.ts'
import { nobodyKnown, phrase, recorded, signedUp } from './conformance.ts'
import { openDomainPlace } from './domain-place.ts'
import type { DomainPlace } from './domain-place.ts'

const { missing } = component('samba')
const options = missing === null ? {} : { skip: missing }
let place: DomainPlace
let service: Connection
if (missing === null) {
  before(async () => {
    place = await openDomainPlace()
    const { config, ca } = place.domain
    const url = config.urls[0] ?? assert.fail('a domain has a controller')
    service = await connect({ url, ca }, config.bindName, config.bindPassword)
  })
  after(async () => {
    service.close()
    await place.close()
  })
}

const whence = { ...here, clientId: null }

function newSignIn() {
  const { pool: db, directory } = place
  const record = createRecorder(db, systemClock)
  return createSignIn({ db, directory, factors: noFactors, throttle: unthrottled, record })
}

const soon = { now: () => later(systemClock.now(), 2n * HOUR) }

async function insufficient(work: Promise<unknown>): Promise<void> {
  await assert.rejects(work, (error) => {
    assert(error instanceof LdapRefused, String(error))
    assert.equal(error.result, ldapCodes.insufficientAccessRights)
    return true
  })
}

const user = (name: string) => ({
  objectClass: ['top', 'person', 'organizationalPerson', 'user'],
  sAMAccountName: name,
  userAccountControl: '514',
})

test('the service account may do nothing outside of the customers', options, async () => {
  const { domainDn } = place.domain
  const administrator = `CN=Administrator,CN=Users,${domainDn}`
  const unicodePwd = encodePassword('taken over by the service')
  await insufficient(service.add(`CN=mallory,CN=Users,${domainDn}`, user('mallory')))
  await insufficient(service.replace(administrator, { unicodePwd }))
  await insufficient(service.replace(administrator, { description: 'was here' }))
  const us = `CN=svc-auth,OU=ServiceAccounts,${domainDn}`
  await insufficient(service.replace(domainGroups.operator, { member: us }))
  await insufficient(service.replace(`CN=Domain Admins,CN=Users,${domainDn}`, { member: us }))
  await insufficient(service.replace(domainDn, { minPwdLength: '1' }))
})

test('among the customers it may neither delete nor make anything but users', options, async () => {
  const { dn } = await place.accountOf(await signedUp(place))
  const { customersDn } = place.domain.config
  await insufficient(service.remove(dn))
  await insufficient(service.remove(customersDn))
  const group = { objectClass: ['top', 'group'], sAMAccountName: 'mallory' }
  await insufficient(service.add(`CN=mallory,${customersDn}`, group))
  const entry = await service.read(dn, { attributes: ['unicodePwd'], binary: [] })
  assert.deepEqual(entry?.['unicodePwd'], [])
})

test('no account of the domain opens anything by its own name and password', options, async () => {
  const { asAdministrator, domainDn, config } = place.domain
  const userId = await signedUp(place)
  const { dn } = await place.accountOf(userId)
  const signIn = newSignIn()
  const refused = async (login: string, password: string) =>
    await refusedAs('credentials_invalid', signIn.password({ login, password }, whence, 'sign_in'))
  await refused('Administrator', asAdministrator.bindPassword)
  await refused(asAdministrator.bindName, asAdministrator.bindPassword)
  await refused(config.bindName, config.bindPassword)
  await refused(`CN=Administrator,CN=Users,${domainDn}`, asAdministrator.bindPassword)
  await refused(dn, phrase)
})

for (const login of ['*', '*)(objectClass=*', 'ann*', 'PAY\\Administrator', '\0', 'EXTERNAL']) {
  test(`the login ${JSON.stringify(login)} matches nobody`, options, async () => {
    await signedUp(place)
    const asked = newSignIn().password({ login, password: phrase }, whence, 'sign_in')
    await refusedAs('credentials_invalid', asked)
  })
}

test(
  'what sign-ups left is deleted after an hour, by who may, and nothing else',
  options,
  async () => {
    const { domain, admin, directory, pool } = place
    const ask = { password: phrase, known: nobodyKnown }
    const userId = newId('user')
    await recorded(directory, pool, userId, await directory.enroll({ ...ask, userId }))
    await directory.enroll({ ...ask, userId: newId('user') })
    await directory.enroll({ ...ask, userId: newId('user') })
    const foreign = `CN=kept,${domain.config.customersDn}`
    await admin.add(foreign, { ...user('kept'), description: 'left the company' })
    const later = place.open({}, soon)

    assert.deepEqual(await later.sweepOrphans(), { deleted: 0, left: 2 })
    await domain.allowDeleting()
    assert.deepEqual(await directory.sweepOrphans(), { deleted: 0, left: 0 })
    assert.deepEqual(await later.sweepOrphans(), { deleted: 2, left: 0 })
    assert.deepEqual(await later.sweepOrphans(), { deleted: 0, left: 0 })
    assert.equal(await directory.verify(userId, phrase), 'right')
    assert(await admin.read(foreign, { attributes: ['cn'], binary: [] }))
  },
)

test('more orphans than fit in a page are found', options, async () => {
  const { customersDn } = place.domain.config
  const many = 501
  for (let n = 0; n < many; n++) {
    const description = printId('user', newId('user'))
    await place.admin.add(`CN=o${n},${customersDn}`, { ...user(`o${n}`), description })
  }
  assert.deepEqual(await place.open({}, soon).sweepOrphans(), { deleted: many, left: 0 })
})
