import assert from 'node:assert/strict'
import { test } from 'node:test'
import { deviceName } from '../../../src/auth/recovery/device-name.ts'
import * as messages from '../../../src/auth/recovery/messages.ts'
import type { Notice } from '../../../src/auth/recovery/messages.ts'
import { after, DAY } from '../../../src/time.ts'
import type { Micros } from '../../../src/time.ts'
import type { User } from '../../../src/users/user.ts'

const at = 1_790_000_000_000_000n as Micros
const url = `https://login.example.com/cancel-factor-reset?token=${'a'.repeat(76)}`

const notices: readonly Notice[] = [
  messages.newSignIn({ at, network: '2001:db8:1:2::/64', device: null }),
  messages.passwordChanged(),
  messages.passwordReset(),
  messages.factorAdded('A passkey'),
  messages.factorRemoved('Your authenticator app'),
  messages.recoveryCodesMade(),
  messages.factorProof('123456'),
  messages.factorResetAsked({ readyAt: at, url }),
  messages.factorResetCancelled(),
  messages.factorResetDone(),
]

test('a letter greets and has short lines; a short message is one line of two parts at most', () => {
  for (const notice of notices) {
    const letter = notice('email')
    assert(letter.body.startsWith('Hello,\n\n'))
    for (const line of letter.body.split('\n')) assert(line.length <= 100 || line === url, line)
    const { body } = notice('phone')
    // Two parts of a text message in its 7-bit alphabet. @see 3GPP TS 23.040
    assert(body.length > 0 && body.length <= 306 && !body.includes('\n'), body)
    assert(/^[\x20-\x7e]*$/.test(body), body)
  }
})

test('each notice says what to do if it was not you', () => {
  for (const notice of notices) {
    for (const channel of ['email', 'phone'] as const) {
      assert(/not you|not yours|it was not|it is not you|not make/i.test(notice(channel).body))
    }
  }
})

test('a device is named in our words, whatever it says of itself', () => {
  const names = {
    'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/156.0 Safari/537.36':
      'Chrome on Windows',
    'Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/156.0 Safari/537.36 Edg/156.0':
      'Edge on Windows',
    'Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:150.0) Gecko/20100101 Firefox/150.0':
      'Firefox on a Mac',
    'Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) Version/19.0 Mobile Safari/604.1':
      'Safari on an iPhone',
    'Mozilla/5.0 (Linux; Android 16; Pixel 9) Chrome/156.0 Mobile Safari/537.36':
      'Chrome on Android',
    'Mozilla/5.0 (X11; Linux x86_64) HeadlessChrome/156.0.0.0 Safari/537.36': 'Chrome on Linux',
    'curl/8.0': 'an unknown device',
    'Your account is locked: https://evil.example': 'an unknown device',
  }
  for (const [device, name] of Object.entries(names)) assert.equal(deviceName(device), name)
  assert.equal(deviceName(null), 'an unknown device')
})

const to = (whose: User, now: Micros) =>
  messages.provenContacts(whose, now).map(({ recipient }) => recipient)

test('the owner is told where they have proven to be, and where they were until lately', () => {
  const user = {
    email: 'new@example.com',
    emailVerifiedAt: at,
    emailBefore: 'old@example.com',
    phoneNumber: '+14155550100',
    phoneVerifiedAt: null,
  } as User
  assert.deepEqual(to(user, at), ['new@example.com', 'old@example.com'])
  assert.deepEqual(to(user, after(at, DAY)), ['new@example.com'])
  assert.deepEqual(to({ ...user, emailVerifiedAt: null }, at), ['old@example.com'])
  assert.deepEqual(to({ ...user, emailVerifiedAt: null, emailBefore: null }, at), [])
  assert.deepEqual(to({ ...user, phoneVerifiedAt: at }, after(at, DAY)), [
    'new@example.com',
    '+14155550100',
  ])
})
