import { randomUUID } from 'node:crypto'
import { SignJWT } from 'jose'
import { printId } from '../ids/ids.ts'
import type { SessionId, UserId } from '../ids/ids.ts'
import type { Scope, StaffRole } from '../scopes.ts'
import { SECOND } from '../time.ts'
import type { Clock, Micros } from '../time.ts'
import type { TokenKeys } from '../token-keys.ts'

export type IssuerParts = Readonly<{
  keys: TokenKeys
  issuer: string
  audience: string
  ttlSeconds: number
  clock: Clock
}>

/** `expiresIn` is its life in seconds. */
export type AccessToken = Readonly<{ accessToken: string; expiresIn: number }>

/** What an access token says of whoever holds it. */
export type TokenClaims = Readonly<{
  userId: UserId
  sessionId: SessionId
  clientId: string
  scopes: readonly Scope[]
  /** When a factor was last shown, and which. @see RFC 8176 */
  authenticatedAt: Micros
  methods: readonly string[]
  roles: readonly StaffRole[]
}>

export type IssueToken = (claims: TokenClaims) => Promise<AccessToken>

/**
 * Signs access tokens: short-lived JWTs, stored nowhere, the same as the OpenID provider's.
 * @see RFC 9068
 */
export function createIssuer(parts: IssuerParts): IssueToken {
  const { keys, issuer, audience, ttlSeconds, clock } = parts
  return async (claims) => {
    const issuedAt = Number(clock.now() / SECOND)
    const accessToken = await new SignJWT({
      client_id: claims.clientId,
      scope: claims.scopes.join(' '),
      ...sessionClaims(claims),
    })
      .setProtectedHeader({ alg: 'ES256', typ: 'at+jwt', kid: keys.signing.kid })
      .setIssuer(issuer)
      .setAudience(audience)
      .setSubject(printId('user', claims.userId))
      .setJti(randomUUID())
      .setIssuedAt(issuedAt)
      .setExpirationTime(issuedAt + ttlSeconds)
      .sign(keys.signing.key)
    return { accessToken, expiresIn: ttlSeconds }
  }
}

/** The claims that are ours to name, beside what every access token has. */
export function sessionClaims(
  claims: Pick<TokenClaims, 'sessionId' | 'authenticatedAt' | 'methods' | 'roles'>,
) {
  const { sessionId, authenticatedAt, methods, roles } = claims
  return {
    sid: printId('sess', sessionId),
    auth_time: Number(authenticatedAt / SECOND),
    amr: [...methods],
    ...(roles.length > 0 && { roles: [...roles] }),
  }
}
