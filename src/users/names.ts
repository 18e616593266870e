import { domainToASCII } from 'node:url'
import { parsePhoneNumberFromString } from 'libphonenumber-js'
import { AppError } from '../errors.ts'

/** RFC 5321 section 4.5.3.1: a path is 256 octets with its brackets, a local part 64. */
const EMAIL_MAX = 254
const LOCAL_PART_MAX = 64
const TEXT_MAX = 320
const DISPLAY_NAME_MAX = 100
const HANDLE_MAX = 30

/** RFC 5321 dot-string: quoted local parts are legal too, but nobody has one. */
const localPart = /^[a-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[a-z0-9!#$%&'*+/=?^_`{|}~-]+)*$/
const domain = /^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])$/
const phoneText = /^\+?[\d\s().-]+$/
const handle = /^[a-z][a-z0-9_.-]{2,29}$/

/** Nobody may look like the house: a payment to `support` would be a gift to a thief. */
const reserved =
  /farthing|^(admin(istrator)?|billing|help|official|root|security|staff|support|system)$/

/**
 * Controls, line breaks, and marks that turn the reading direction or show nothing. The two joiners
 * (U+200C, U+200D) are spared: Persian and Hindi names, and emoji, are spelled with them.
 */
const unseen = /(?![\u200C\u200D])[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Zl}\p{Zp}]/u
const seen = /[\p{L}\p{N}\p{P}\p{S}]/u

const refuse = (field: string, why: string) => new AppError('contact_invalid', { field, why })

/**
 * An address as it is compared and stored: lower case, an international domain in its ASCII form.
 * The local part is folded too: no provider that people use tells `Ann@` from `ann@`.
 *
 * @throws AppError `contact_invalid` with field `/email`.
 */
export function emailForm(text: string): string {
  const form = tryEmail(text)
  if (form === null) throw refuse('/email', 'not an e-mail address like name@example.com')
  return form
}

function tryEmail(text: string): string | null {
  if (text.length > TEXT_MAX) return null
  const [local = '', host = '', ...more] = text.trim().toLowerCase().split('@')
  // The URL parser behind domainToASCII would also decode %2e, which has no place in an address.
  const asciiHost = host.includes('%') ? '' : domainToASCII(host)
  const form = `${local}@${asciiHost}`
  const sound = localPart.test(local) && domain.test(asciiHost) && more.length === 0
  return sound && local.length <= LOCAL_PART_MAX && form.length <= EMAIL_MAX ? form : null
}

/**
 * A number in E.164: `+12025550100`. Without a country code it is read as one of the United States.
 * The length must be possible there; whether it rings, only a code can tell, since number ranges
 * open faster than any table of them is updated.
 *
 * @throws AppError `contact_invalid` with field `/phoneNumber`.
 * @see ITU-T E.164
 */
export function phoneForm(text: string): string {
  const form = tryPhone(text)
  if (form === null) throw refuse('/phoneNumber', 'not a phone number like +12025550100')
  return form
}

function tryPhone(text: string): string | null {
  if (text.length > TEXT_MAX || !phoneText.test(text.trim())) return null
  const options = { defaultCountry: 'US', extract: false } as const
  const phone = parsePhoneNumberFromString(text.trim(), options)
  return phone?.isPossible() ? phone.number : null
}

/**
 * A handle in lower case: 3 to 30 of `a-z 0-9 _ . -`, beginning with a letter, and so never an
 * e-mail address nor a phone number.
 *
 * @throws AppError `contact_invalid` with field `/handle`.
 */
export function handleForm(text: string): string {
  const form = tryHandle(text)
  if (form === null) {
    throw refuse('/handle', '3 to 30 letters, digits, _ . or -, beginning with a letter')
  }
  if (reserved.test(form)) throw refuse('/handle', 'reserved')
  return form
}

function tryHandle(text: string): string | null {
  // Only A-Z are folded: toLowerCase would also turn the Kelvin sign into a k.
  const form = text.trim().replaceAll(/[A-Z]/g, (letter) => letter.toLowerCase())
  return handle.test(form) ? form : null
}

/**
 * A name as people read it: NFC, single spaces, 1 to 100 code points, nothing invisible.
 *
 * @throws AppError `contact_invalid` with field `/displayName`.
 */
export function displayNameForm(text: string): string {
  const form = text
    .normalize('NFC')
    .trim()
    .replaceAll(/\p{Zs}+/gu, ' ')
  if (Array.from(form).length > DISPLAY_NAME_MAX || unseen.test(form) || !seen.test(form)) {
    throw refuse('/displayName', '1 to 100 characters that can be seen')
  }
  return form
}

/** The normal form of what someone signs in with; `null` when no user can have such a name. */
export function loginForm(text: string): string | null {
  if (text.includes('@')) return tryEmail(text)
  return tryHandle(text) ?? tryPhone(text)
}

/**
 * A handle for who chose none: what is usable of the e-mail's local part, or of the name, then the
 * digits.
 */
export function handleFrom(emailOrName: string, digits: string): string {
  const [local = ''] = emailOrName.toLowerCase().split('@')
  const usable = local.replaceAll(/[^a-z0-9_.-]/g, '').replace(/^[^a-z]+/, '')
  const stem = usable.slice(0, HANDLE_MAX - digits.length)
  return stem === '' || reserved.test(stem) ? `user${digits}` : `${stem}${digits}`
}
