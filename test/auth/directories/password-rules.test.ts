import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { commonPasswords } from '../../../src/auth/directories/common-passwords.ts'
import { passwordRefusal } from '../../../src/auth/directories/password-rules.ts'

const nobody = { email: null, handle: null, phoneNumber: null }
const ann = { email: 'Ann.Lee@example.com', handle: 'annlee', phoneNumber: '+12025550147' }
const text = fc.string({ unit: 'grapheme', maxLength: 60 })
const good = fc.noBias(fc.string({ unit: 'grapheme-ascii', minLength: 16, maxLength: 64 }))

test('a random password of 16 characters is never refused', () => {
  fc.assert(fc.property(good, (password) => assert.equal(passwordRefusal(password, ann), null)))
})

test('the same password in another Unicode form gets the same answer', () => {
  const form = fc.constantFrom('NFC', 'NFD', 'NFKC', 'NFKD')
  fc.assert(
    fc.property(text, form, (password, form) => {
      const other = passwordRefusal(password.normalize(form), ann)
      assert.equal(other, passwordRefusal(password, ann))
    }),
  )
})

test('a password is refused wherever the own name stands in it, in any case', () => {
  const own = fc.constantFrom('ann.lee', 'ANN.LEE', 'AnnLee', '5550147', 'Farthing')
  fc.assert(
    fc.property(good, own, good, (before, name, behind) => {
      assert.match(passwordRefusal(before + name + behind, ann) ?? '', /^contains /)
    }),
  )
})

test('one character is no password, however often', () => {
  const character = fc.string({ unit: 'grapheme-ascii', minLength: 1, maxLength: 1 })
  fc.assert(
    fc.property(character, fc.integer({ min: 8, max: 256 }), (character, times) => {
      assert.equal(passwordRefusal(character.repeat(times), nobody), 'only repeats itself')
    }),
  )
})

test('every password of the lists is refused, in capitals and with an ending too', () => {
  const common = commonPasswords()
  // Of those that the other rules let pass. @see OWASP ASVS 5.0 6.2.4
  assert([...common].filter((password) => password.length >= 8).length >= 15_000)
  for (const password of common) {
    assert.equal(password, password.toLowerCase())
    // One that ends with a sign is known as it is; with more signs, it is another.
    const longer = /[a-z0-9]$/.test(password) ? [`${password}!`] : []
    for (const typed of [password, password.toUpperCase(), ...longer]) {
      assert.notEqual(passwordRefusal(typed, nobody), null, typed)
    }
  }
})

test('a phrase of several words is not refused for the common ones in it', () => {
  const common = [...commonPasswords()].filter((word) => /^[a-z]{4,}$/.test(word))
  const word = fc.constantFrom(...common)
  const phrase = fc.array(word, { minLength: 4, maxLength: 8 }).map((words) => words.join(' '))
  fc.assert(
    fc.property(phrase, (phrase) => {
      fc.pre(!phrase.includes('farthing') && new Set(phrase.split(' ')).size > 2)
      assert.equal(passwordRefusal(phrase, nobody), null)
    }),
  )
})

test('the lists are read in no time, and by nobody who chooses no password', () => {
  const folder = new URL('../../../src/auth/directories/', import.meta.url).href
  const watch = `
    import fs from 'node:fs'
    import { syncBuiltinESMExports } from 'node:module'
    const { readFileSync } = fs
    globalThis.read = new Set()
    fs.readFileSync = (...ask) => (read.add(String(ask[0])), readFileSync(...ask))
    syncBuiltinESMExports()`
  const script = `
    import '${folder}password-rules.ts'
    import { commonPasswords } from '${folder}common-passwords.ts'
    const texts = () => [...read].filter((path) => path.endsWith('.txt')).length
    const early = texts()
    const startedAt = performance.now()
    commonPasswords()
    const ms = performance.now() - startedAt
    console.log(JSON.stringify({ early, late: texts(), ms }))`
  const preload = `data:text/javascript,${encodeURIComponent(watch)}`
  const flags = ['--import', preload, '--input-type=module', '--eval', script]
  const output = execFileSync(process.execPath, flags, { encoding: 'utf8' })
  const { ms, ...files } = JSON.parse(output) as { early: number; late: number; ms: number }
  assert.deepEqual(files, { early: 0, late: 2 })
  assert(ms < 1_000, `it took ${ms} ms`)
})

const cases: readonly (readonly [string, string | null])[] = [
  ['', 'is shorter than 8 characters'],
  ['x7-Kq2w', 'is shorter than 8 characters'],
  ['x7-Kq2wz', null],
  ['🐟🦊🐢🐙🦉🐝🐞', 'is shorter than 8 characters'],
  ['🐟🦊🐢🐙🦉🐝🐞🐌', null],
  [`x7-Kq2wz${'é'.repeat(248)}`, null],
  [`x7-Kq2wz${'é'.repeat(249)}`, 'is longer than 256 characters'],
  ['x'.repeat(100_000), 'is longer than 256 characters'],
  [`\ud800x7-Kq2wz`, 'is not valid Unicode'],
  ['12341234', 'only repeats itself'],
  ['bcdefghijk', 'is a plain sequence'],
  ['3210987654', 'is a plain sequence'],
  ['poiuytre', 'is a plain sequence'],
  ['P@ssw0rd2026', 'is one of the most common'],
  ['Dr4g0n2026', 'is one of the most common'],
  ['87654321vv', 'is one of the most common'],
  ['Voxstrange7', 'is one of the most common'],
  ['Summer2026', 'is one of the most common'],
  ['my-farthing-login', 'contains the name of this service'],
  ['a seven word sentence that I remember well', null],
]

for (const [password, why] of cases) {
  test(`${JSON.stringify(password.slice(0, 30))} ${why ?? 'may be used'}`, () => {
    assert.equal(passwordRefusal(password, nobody), why)
  })
}

test('a short own name does not count', () => {
  assert.equal(passwordRefusal('x7-Kq2wz-ann', { ...nobody, handle: 'ann' }), null)
})
