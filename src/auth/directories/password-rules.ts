import { readFileSync } from 'node:fs'

const PASSWORD_MIN = 8
const PASSWORD_MAX = 256
/** UTF-16 units. No password of 256 code points is typed with more; what is, is not normalized. */
const TYPED_MAX = 2_048
/** Shorter words of one's own, like the handle `ann`, are in too many good passwords by chance. */
const OWN_WORD_MIN = 4
const PHONE_TAIL = 7
/** A longer tail may be a good password by itself. */
const TAIL_MAX = 4

const common: ReadonlySet<string> = readCommon()

/** Keyboard rows and alphabets, each long enough to hold runs that go around. */
const runs = [
  'abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz',
  '012345678901234567890123456789',
  'qwertyuiopqwertyuiop',
  'asdfghjklasdfghjkl',
  'zxcvbnmzxcvbnm',
  'qwertzuiopqwertzuiop',
  'azertyuiopazertyuiop',
].flatMap((run) => [run, run.split('').toReversed().join('')])

/** `p@ssw0rd` is the first thing that a guesser tries after `password`. */
const disguises: Readonly<Record<string, string>> = {
  '@': 'a',
  '4': 'a',
  '3': 'e',
  '1': 'i',
  '!': 'i',
  '0': 'o',
  '5': 's',
  $: 's',
  '7': 't',
}

/** What a guesser knows of someone. Any spelling; `null` where there is nothing. */
export type Known = Readonly<{
  email: string | null
  handle: string | null
  phoneNumber: string | null
}>

/**
 * Why a password may not be used, as the end of a sentence that begins with "The password"; `null`
 * when it may. No demand for capitals, digits or signs: they make passwords worse.
 *
 * 8 characters are what NIST asks for beside a second factor and ASVS as the least. The list of
 * common passwords is short.
 *
 * @see NIST SP 800-63B section 3.1.1.2; OWASP ASVS 5.0 6.2
 */
export function passwordRefusal(typed: string, known: Known): string | null {
  if (typed.length > TYPED_MAX) return `is longer than ${PASSWORD_MAX} characters`
  if (!typed.isWellFormed()) return 'is not valid Unicode'
  const password = typed.normalize('NFKC')
  const length = Array.from(password).length
  if (length < PASSWORD_MIN) return `is shorter than ${PASSWORD_MIN} characters`
  if (length > PASSWORD_MAX) return `is longer than ${PASSWORD_MAX} characters`

  const folded = password.toLowerCase()
  if (/^(.{1,4}?)\1+$/su.test(folded)) return 'only repeats itself'
  if (runs.some((run) => run.includes(folded))) return 'is a plain sequence'
  if (isCommon(folded)) return 'is one of the most common'
  if (folded.includes('farthing')) return 'contains the name of this service'
  if (ownWords(known).some((word) => folded.includes(word))) {
    return 'contains your e-mail address, handle or phone number'
  }
  return null
}

/** As typed, without a few signs at its end, and without digits there too. */
function isCommon(folded: string): boolean {
  const stems = [folded, cutTail(folded, /[^a-z0-9]*$/), cutTail(folded, /[^a-z]*$/)]
  return stems.some((stem) => common.has(stem) || common.has(undisguised(stem)))
}

function cutTail(text: string, pattern: RegExp): string {
  const tail = pattern.exec(text)?.[0] ?? ''
  return tail.length <= TAIL_MAX ? text.slice(0, text.length - tail.length) : text
}

function undisguised(text: string): string {
  return text.replaceAll(/[@431!05$7]/g, (sign) => disguises[sign] ?? sign)
}

function ownWords({ email, handle, phoneNumber }: Known): readonly string[] {
  const digits = phoneNumber?.replaceAll(/\D/g, '').slice(-PHONE_TAIL)
  return [email?.split('@')[0], handle, digits]
    .map((word) => word?.trim().normalize('NFKC').toLowerCase() ?? '')
    .filter((word) => word.length >= OWN_WORD_MIN)
}

function readCommon(): ReadonlySet<string> {
  const text = readFileSync(new URL('common-passwords.txt', import.meta.url), 'utf8')
  return new Set(text.split('\n').filter((line) => line !== '' && !line.startsWith('#')))
}
