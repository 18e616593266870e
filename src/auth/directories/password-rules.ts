import { isCommon } from './common-passwords.ts'

const PASSWORD_MIN = 8
const PASSWORD_MAX = 256
/** UTF-16 units. No password of 256 code points is typed with more; what is, is not normalized. */
const TYPED_MAX = 2_048
/** Shorter words of one's own, like the handle `ann`, are in too many good passwords by chance. */
const OWN_WORD_MIN = 4
const PHONE_TAIL = 7

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
 * 8 characters are what NIST asks for beside a second factor and ASVS as the least. Common ones are
 * known by a list that comes with this version: what leaks later is not in it.
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

function ownWords({ email, handle, phoneNumber }: Known): readonly string[] {
  const digits = phoneNumber?.replaceAll(/\D/g, '').slice(-PHONE_TAIL)
  return [email?.split('@')[0], handle, digits]
    .map((word) => word?.trim().normalize('NFKC').toLowerCase() ?? '')
    .filter((word) => word.length >= OWN_WORD_MIN)
}
