import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { AppError } from '../../src/errors.ts'
import {
  displayNameForm,
  emailForm,
  handleForm,
  handleFrom,
  loginForm,
  phoneForm,
} from '../../src/users/names.ts'

const letters = 'abcdefghijklmnopqrstuvwxyz'.split('')
const capitals = letters.map((letter) => letter.toUpperCase())
const others = '0123456789_+-'.split('')
const localPart = fc.string({
  unit: fc.constantFrom(...letters, ...capitals, ...others),
  minLength: 1,
  maxLength: 40,
})
const email = fc.tuple(localPart, fc.domain()).map(([local, host]) => `${local}@${host}`)
const phone = fc.integer({ min: 2_000_000_000, max: 9_999_999_999 }).map((digits) => `+1${digits}`)
const handle = fc.stringMatching(/^[a-eA-E][a-e0-9A-E_.-]{2,29}$/)
const anything = fc.oneof(
  fc.string({ maxLength: 400 }),
  fc.string({ unit: 'binary' }),
  email,
  phone,
  handle,
)

const forms = { emailForm, phoneForm, handleForm, displayNameForm }

for (const [name, form] of Object.entries(forms)) {
  test(`${name} refuses with contact_invalid or gives a form that it leaves as it is`, () => {
    fc.assert(
      fc.property(anything, (text) => {
        try {
          const once = form(text)
          assert.equal(form(once), once)
        } catch (error) {
          assert(error instanceof AppError)
          assert.equal(error.code, 'contact_invalid')
          assert.match(String(error.facts['field']), /^\/(email|phoneNumber|handle|displayName)$/)
        }
      }),
    )
  })
}

test('whatever is accepted as a name signs in under the same form, in any case', () => {
  fc.assert(
    fc.property(fc.oneof(email, phone, handle), (text) => {
      const form = loginForm(text)
      assert.notEqual(form, null)
      assert.equal(loginForm(` ${text.toUpperCase()} `), form)
    }),
  )
})

test('the three kinds of names never meet, so that one name space holds them', () => {
  fc.assert(
    fc.property(anything, (text) => {
      const form = loginForm(text)
      if (form === null) return
      const kinds = [/^[^@]+@[^@]+$/, /^\+\d+$/, /^[a-z][^@+]+$/].filter((kind) => kind.test(form))
      assert.equal(kinds.length, 1, form)
    }),
  )
})

test('a made handle is a handle, whatever the e-mail', () => {
  const local = fc.string({
    unit: fc.constantFrom(...letters, ...others, '.', '!', 'ü', '@'),
    maxLength: 80,
  })
  fc.assert(
    fc.property(local, fc.integer({ min: 100_000, max: 999_999 }), (text, digits) => {
      const made = handleFrom(`${text}@example.com`, String(digits))
      assert.equal(handleForm(made), made)
    }),
  )
  assert.equal(handleFrom('farthing@example.com', '123456'), 'user123456')
  assert.equal(handleFrom('ann.lee@example.com', '123456'), 'ann.lee123456')
})

const accepted: readonly (readonly [(text: string) => string, string, string])[] = [
  [emailForm, ' Ann.Lee+pay@Example.COM ', 'ann.lee+pay@example.com'],
  [emailForm, 'ann@münchen.de', 'ann@xn--mnchen-3ya.de'],
  [phoneForm, '+1 (202) 555-0100', '+12025550100'],
  [phoneForm, '202.555.0100', '+12025550100'],
  [phoneForm, '+44 20 7946 0018', '+442079460018'],
  [handleForm, 'Ann_Lee', 'ann_lee'],
  [displayNameForm, '  Zoë   O’Neil ', 'Zoë O’Neil'],
  [displayNameForm, 'Zoe\u0308', 'Zoë'],
  [displayNameForm, 'می\u200Cلاد', 'می\u200Cلاد'],
]

for (const [form, text, expected] of accepted) {
  test(`${form.name} reads ${JSON.stringify(text)} as ${expected}`, () => {
    assert.equal(form(text), expected)
  })
}

const refused: readonly (readonly [(text: string) => string, string])[] = [
  [emailForm, ''],
  [emailForm, 'ann'],
  [emailForm, '@example.com'],
  [emailForm, 'ann@'],
  [emailForm, 'ann@localhost'],
  [emailForm, 'ann@127.0.0.1'],
  [emailForm, 'ann@exa%6dple.com'],
  [emailForm, 'ann@example.com@example.com'],
  [emailForm, 'ann lee@example.com'],
  [emailForm, 'ann@example.com\r\nBcc: all@example.com'],
  [emailForm, '"ann"@example.com'],
  [emailForm, `${'a'.repeat(65)}@example.com`],
  [emailForm, `${'a'.repeat(400)}@example.com`],
  [phoneForm, ''],
  [phoneForm, '911'],
  [phoneForm, '+12345'],
  [phoneForm, '1-800-FLOWERS'],
  [phoneForm, '+12025550100;ext=3'],
  [phoneForm, '+0012025550100'],
  [phoneForm, '+1'.repeat(300)],
  [handleForm, 'al'],
  [handleForm, '1ann'],
  [handleForm, 'ann lee'],
  [handleForm, 'ann@lee'],
  [handleForm, 'a'.repeat(31)],
  [handleForm, '\u212Aate'], // the Kelvin sign
  [handleForm, 'аnn'], // a Cyrillic а
  [handleForm, 'Support'],
  [handleForm, 'farthing_help'],
  [displayNameForm, '   '],
  [displayNameForm, 'Ann\u202Egnp'],
  [displayNameForm, 'Ann\u0000'],
  [displayNameForm, '\u200D'],
  [displayNameForm, 'a'.repeat(101)],
]

for (const [form, text] of refused) {
  test(`${form.name} refuses ${JSON.stringify(text.slice(0, 40))}`, () => {
    assert.throws(
      () => form(text),
      (error) => error instanceof AppError && error.code === 'contact_invalid',
    )
  })
}
