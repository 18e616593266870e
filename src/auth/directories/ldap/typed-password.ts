/** In UTF-16 units, as Windows counts. */
const DOMAIN_PASSWORD_MAX = 256

/**
 * Why a domain cannot keep a password, or would not compare the whole of it, as the end of a
 * sentence that begins with "The password"; `null` when it can.
 *
 * An empty one must never reach a bind: with a name and no password a bind may succeed as nobody.
 * Nor must NUL, at which a bind may take the password to end.
 *
 * @see RFC 4513 section 5.1.2
 */
export function unfitForDomain(typed: string): string | null {
  if (typed === '') return 'is empty'
  if (typed.includes('\0')) return 'contains a character that cannot be typed'
  if (!typed.isWellFormed()) return 'is not valid Unicode'
  if (typed.length > DOMAIN_PASSWORD_MAX) {
    return `is longer than ${DOMAIN_PASSWORD_MAX} characters`
  }
  return null
}

/**
 * A password as the attribute unicodePwd takes it. As it was typed, without the NFKC of the
 * built-in directory: whoever signs in elsewhere in the domain sends it as typed, and the same
 * password must open both.
 *
 * @see [MS-ADTS] section 3.1.1.3.1.5.1
 */
export function encodePassword(typed: string): Buffer {
  return Buffer.from(`"${typed}"`, 'utf16le')
}
