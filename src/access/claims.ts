import type { JWTPayload } from 'jose'
import { scopes, staffRoles } from '../scopes.ts'
import type { Scope, StaffRole } from '../scopes.ts'
import { SECOND } from '../time.ts'
import type { Micros } from '../time.ts'

/** From an issuer's names to ours. What is not in it counts for nothing. */
export type Names<T extends string> = ReadonlyMap<string, T>

/** Our own issuer says it in our words. */
export const ownScopes: Names<Scope> = new Map(scopes.map((name) => [name, name]))
export const ownRoles: Names<StaffRole> = new Map(staffRoles.map((name) => [name, name]))

/** A claim that is a text; null when it is none, or says nothing. */
export function textOf(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? value : null
}

/** A claim that is a list of texts. @see RFC 8693 section 4.2 for a text with spaces. */
export function wordsOf(value: unknown): readonly string[] {
  if (typeof value === 'string') return value.split(' ').filter((word) => word !== '')
  if (!Array.isArray(value)) return []
  return value.filter((word): word is string => typeof word === 'string')
}

export function renamed<T extends string>(words: readonly string[], names: Names<T>): readonly T[] {
  return words.flatMap((word) => names.get(word) ?? [])
}

/** A NumericDate to the second; null for what is no time. JSON can say 1e400, which is none. */
export function momentOf(value: unknown): Micros | null {
  const seconds = typeof value === 'number' ? Math.floor(value) : Number.NaN
  return Number.isSafeInteger(seconds) ? ((BigInt(seconds) * SECOND) as Micros) : null
}

/** When a token began and ends; null unless both are said. */
export function lifeOf({ iat, exp }: JWTPayload) {
  const [issuedAt, expiresAt] = [momentOf(iat), momentOf(exp)]
  return issuedAt === null || expiresAt === null ? null : { issuedAt, expiresAt }
}
