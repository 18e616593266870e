import type { KeyObject } from 'node:crypto'
import type { CryptoKey, JWSHeaderParameters, JWTPayload } from 'jose'
import { parseId } from '../ids/ids.ts'
import type { UserId } from '../ids/ids.ts'
import type { Scope, StaffRole } from '../scopes.ts'
import type { VerifyingKeys } from '../token-keys.ts'
import type { Machine, Person } from './actor.ts'
import { lifeOf, momentOf, ownRoles, ownScopes, renamed, textOf, wordsOf } from './claims.ts'
import type { Names } from './claims.ts'

/** Somebody whom an outside issuer knows. `name` and `email` are what it says, and unproven. */
export type Outsider = Readonly<{
  issuer: string
  subject: string
  name: string | null
  email: string | null
}>

/** Whom a token speaks for, once its signature holds: an outsider's user is still to be found. */
export type Bearer = (Person & Readonly<{ whose: UserId | Outsider }>) | Machine

/** Null: no such key. @throws AppError `issuer_unavailable` */
export type KeyOf = (header: JWSHeaderParameters) => Promise<CryptoKey | KeyObject | null>

/** One whose tokens count, and what makes a token one of theirs that is meant for us. */
export type Issuer = Readonly<{
  /** `iss`, to the letter. */
  issuer: string
  /** `aud`. */
  audience: string
  typ: 'at+jwt' | 'JWT'
  algorithms: readonly string[]
  /** How far its clock may be off ours. */
  skewSeconds: number
  keyOf: KeyOf
  /** Null: signed by them, and yet no access token for us. */
  read: (payload: JWTPayload) => Bearer | null
}>

/** Other people's clocks: theirs are kept by NTP as ours are, so a few seconds are enough. */
const OUTSIDE_SKEW_SECONDS = 5
/** What the `sub` of OpenID Connect may have. */
const SUBJECT_MAX = 255

/** Our own provider. Its clock is ours, and its tokens live for minutes: their end is their end. */
export function ownIssuer(
  parts: Readonly<{
    issuer: string
    audience: string
    keys: Pick<VerifyingKeys, 'verifying'>
  }>,
): Issuer {
  const { issuer, audience, keys } = parts
  return {
    issuer,
    audience,
    typ: 'at+jwt',
    algorithms: ['ES256'],
    skewSeconds: 0,
    keyOf: async ({ kid }) => await Promise.resolve(keys.verifying.get(kid ?? '') ?? null),
    read: readOwn,
  }
}

/** @see RFC 9068 section 2.2 */
function readOwn(payload: JWTPayload): Bearer | null {
  const clientId = textOf(payload['client_id'])
  const life = lifeOf(payload)
  const subject = textOf(payload.sub)
  if (clientId === null || life === null || subject === null || !textOf(payload.jti)) return null
  const scopes = new Set(renamed(wordsOf(payload['scope']), ownScopes))
  const { sid } = payload
  const whose = parseId('user', subject)
  if (sid === undefined) {
    // Client credentials: nobody signed in, and the client is its own subject.
    const itself = subject === clientId && whose === null
    return itself ? { kind: 'service', clientId, scopes, ...life } : null
  }
  const sessionId = parseId('sess', textOf(sid) ?? '')
  const authenticatedAt = momentOf(payload['auth_time'])
  if (whose === null || sessionId === null) return null
  const roles = renamed(wordsOf(payload['roles']), ownRoles)
  const methods = wordsOf(payload['amr'])
  return {
    kind: 'user',
    whose,
    sessionId,
    clientId,
    scopes,
    roles,
    authenticatedAt,
    methods,
    ...life,
  }
}

/** What the operator wrote of an outside issuer: see `readIssuersFile`. */
export type OutsideIssuer = Readonly<{
  issuer: string
  audience: string
  jwksUri: URL
  algorithms: readonly string[]
  scopes: Names<Scope>
  roles: Names<StaffRole>
}> &
  (
    | Readonly<{ kind: 'entra'; tenantId: string }>
    | Readonly<{
        kind: 'oidc'
        typ: 'at+jwt' | 'JWT'
        subjectClaims: readonly string[]
        scopesClaim: string
        rolesClaim: string | null
      }>
  )

/** Somebody else's provider. */
export function outsideIssuer(theirs: OutsideIssuer, keyOf: KeyOf): Issuer {
  const { issuer, audience, algorithms } = theirs
  return {
    issuer,
    audience,
    algorithms,
    // Microsoft says JWT of all its tokens: `readEntra` tells them apart by their claims.
    typ: theirs.kind === 'entra' ? 'JWT' : theirs.typ,
    skewSeconds: OUTSIDE_SKEW_SECONDS,
    keyOf,
    read: (payload) =>
      theirs.kind === 'entra' ? readEntra(theirs, payload) : readOidc(theirs, payload),
  }
}

/**
 * A token of Microsoft Entra ID in its version 2.0. Whoever has `scp` let an app act for them; an
 * app for itself has `roles`, and is its own subject. An ID token has neither: one with app roles
 * in it still has a `sub` that is not its `oid`, and names no client.
 */
function readEntra(
  theirs: OutsideIssuer & Readonly<{ kind: 'entra' }>,
  payload: JWTPayload,
): Bearer | null {
  const { ver, tid, sub } = payload
  const oid = textOf(payload['oid'])
  const clientId = textOf(payload['azp'])
  const life = lifeOf(payload)
  if (ver !== '2.0' || tid !== theirs.tenantId || !oid || !clientId || !life) return null
  const delegated = wordsOf(payload['scp'])
  const assigned = wordsOf(payload['roles'])
  if (delegated.length > 0) {
    const whose = outsiderOf(theirs, [theirs.tenantId, oid], payload)
    const roles = renamed(assigned, theirs.roles)
    const scopes = new Set(renamed(delegated, theirs.scopes))
    return whose && { ...personOf(payload), ...life, whose, clientId, scopes, roles }
  }
  if (assigned.length === 0 || sub !== oid) return null
  const scopes = new Set(renamed(assigned, theirs.scopes))
  return { kind: 'service', clientId, scopes, ...life }
}

/** Any other provider: without scopes it is no access token, and with a hash it is an ID token. */
function readOidc(
  theirs: OutsideIssuer & Readonly<{ kind: 'oidc' }>,
  payload: JWTPayload,
): Bearer | null {
  const clientId = textOf(payload['client_id'] ?? payload['azp'] ?? payload['cid'])
  const life = lifeOf(payload)
  const words = wordsOf(payload[theirs.scopesClaim])
  const hashed = 'at_hash' in payload || 'c_hash' in payload
  if (!clientId || !life || words.length === 0 || hashed) return null
  const scopes = new Set(renamed(words, theirs.scopes))
  if (payload.sub === clientId) return { kind: 'service', clientId, scopes, ...life }
  const subject = theirs.subjectClaims.map((claim) => textOf(payload[claim]))
  const whose = outsiderOf(theirs, subject, payload)
  const assigned = theirs.rolesClaim === null ? [] : wordsOf(payload[theirs.rolesClaim])
  const roles = renamed(assigned, theirs.roles)
  return whose && { ...personOf(payload), ...life, whose, clientId, scopes, roles }
}

function personOf(payload: JWTPayload) {
  const authenticatedAt = momentOf(payload['auth_time'])
  const methods = wordsOf(payload['amr'])
  return { kind: 'user' as const, sessionId: null, authenticatedAt, methods }
}

function outsiderOf(
  { issuer }: OutsideIssuer,
  parts: readonly (string | null)[],
  payload: JWTPayload,
): Outsider | null {
  if (parts.includes(null)) return null
  // Two lists of texts never make one subject.
  const spelled = parts.map((part) => part?.replaceAll('%', '%25').replaceAll(':', '%3A'))
  const subject = spelled.join(':')
  if (subject.length > SUBJECT_MAX) return null
  return { issuer, subject, name: textOf(payload['name']), email: textOf(payload['email']) }
}
