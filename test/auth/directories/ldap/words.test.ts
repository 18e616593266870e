import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { assert as check, property, uuid } from 'fast-check'
import {
  ConstraintViolationError,
  InvalidCredentialsError,
  UnavailableError,
  UnwillingToPerformError,
} from 'ldapts'
import { newAccountName } from '../../../../src/auth/directories/ldap/accounts.ts'
import { parseGuid, printGuid } from '../../../../src/auth/directories/ldap/guid.ts'
import * as refused from '../../../../src/auth/directories/ldap/refused.ts'
import { LdapRefused } from '../../../../src/auth/directories/ldap/refused.ts'
import {
  encodePassword,
  unfitForDomain,
} from '../../../../src/auth/directories/ldap/typed-password.ts'
import { refusedAs } from '../../../kit/refused.ts'

test('a GUID has its first three fields turned around', () => {
  const bytes = Buffer.from('000102030405060708090a0b0c0d0e0f', 'hex')
  assert.equal(printGuid(bytes), '03020100-0504-0706-0809-0a0b0c0d0e0f')
  assert.deepEqual(parseGuid('03020100-0504-0706-0809-0a0b0c0d0e0f'), bytes)
})

test('a GUID is read as it was written', () => {
  check(property(uuid(), (text) => printGuid(parseGuid(text)) === text))
})

test('what is no GUID is a bug', () => {
  assert.throws(() => parseGuid('*'), /32 hexadecimal digits/)
  assert.throws(() => printGuid(Buffer.alloc(15)), /16 bytes/)
})

test('a new name is twenty letters and digits, and nobody has had it', () => {
  const names = Array.from({ length: 1_000 }, newAccountName)
  assert(names.every((name) => /^[a-z0-9]{20}$/.test(name)))
  assert.equal(new Set(names).size, names.length)
})

test('a password travels in quotes, two bytes a unit, and as it was typed', () => {
  assert.equal(encodePassword('ﬁ"').toString('hex'), '220001fb22002200')
  assert.notDeepEqual(encodePassword('\u00fc'), encodePassword('u\u0308'))
})

test('what a bind would take for less than it is never gets there', () => {
  const whys = ['', 'a\0b', '\ud83d', 'x'.repeat(257)].map((typed) => unfitForDomain(typed))
  assert.equal(whys.filter((why) => why !== null).length, 4)
  assert.equal(unfitForDomain('x'.repeat(256)), null)
})

const bindText = (data: string) =>
  `80090308: LdapErr: DSID-0C0903A9, comment: AcceptSecurityContext error, data ${data}, v1db1`

async function failing(error: Error): Promise<never> {
  await setImmediate()
  throw error
}

async function heard(error: Error): Promise<unknown> {
  try {
    return await refused.answered('bind', failing(error))
  } catch (thrown) {
    return thrown
  }
}

const meanings = {
  '52e': 'wrong',
  '525': 'wrong',
  '2030': 'wrong',
  '530': 'disabled',
  '531': 'disabled',
  '532': 'expired',
  '533': 'disabled',
  '701': 'disabled',
  '773': 'expired',
  '775': 'locked',
}

for (const [data, verdict] of Object.entries(meanings)) {
  test(`a bind refused with data ${data} means ${verdict}`, async () => {
    const error = await heard(new InvalidCredentialsError(bindText(data)))
    assert.equal(refused.verdictOfBind(error), verdict)
  })
}

test('a bind refused for another reason than its password is a bug', async () => {
  const error = await heard(new UnwillingToPerformError(bindText('52e')))
  assert.throws(() => refused.verdictOfBind(error), LdapRefused)
  assert.throws(() => refused.verdictOfBind(new Error('other')), /other/)
})

test('both ways in which Windows names its rules of passwords are understood', async () => {
  const samba = '0000052D: Constraint violation - check_password_restrictions: too short'
  const windows = '0000052D: SvcErr: DSID-031A12D2, problem 5003 (WILL_NOT_PERFORM), data 0'
  assert(refused.isAgainstPolicy(await heard(new ConstraintViolationError(samba))))
  assert(refused.isAgainstPolicy(await heard(new UnwillingToPerformError(windows))))
  const before = await heard(new ConstraintViolationError('00000056: AtrErr: DSID-03191083, #1:'))
  assert(refused.isWrongBefore(before) && !refused.isAgainstPolicy(before))
})

test('a server that cannot serve now is away; nothing of what a refusal quotes is kept', async () => {
  for (const error of [new Error('ECONNRESET'), new UnavailableError('busy')]) {
    await refusedAs('directory_unavailable', refused.answered('bind', failing(error)))
  }
  const error = await heard(new ConstraintViolationError('0000052D: not "my secret"'))
  assert(error instanceof LdapRefused && !error.message.includes('secret'))
  assert.equal(error.cause, undefined)
})
