import { errors } from 'oidc-provider'
import type { Account, KoaContextWithOIDC, Provider } from 'oidc-provider'
import type { Sessions } from '../../auth/sessions/sessions.ts'
import { grantOf, sessionOfGrant } from '../../auth/sessions/store.ts'
import { sessionClaims } from '../../auth/tokens.ts'
import type { Queryable } from '../../db/query.ts'
import { AppError } from '../../errors.ts'
import { parseId, printId } from '../../ids/ids.ts'
import type { UserId } from '../../ids/ids.ts'
import type { Scope } from '../../scopes.ts'
import { SECOND } from '../../time.ts'
import type { Micros } from '../../time.ts'
import { findUser } from '../../users/find.ts'
import type { Client } from './clients.ts'

/** An absolute end, as that of the session which it belongs to. */
export const GRANT_SECONDS = 14 * 24 * 3_600

/** What an app may hear of who somebody is. @see OpenID Connect Core 1.0, section 5.4 */
export const identityScopes = ['openid', 'profile', 'email', 'phone', 'offline_access'] as const
type IdentityScope = (typeof identityScopes)[number]

/** What stands in the profile too: somebody else's app that may not read that hears none of it. */
const ofProfile = new Set<IdentityScope>(['profile', 'email', 'phone'])

type Grant = InstanceType<Provider['Grant']>

/** What an app is let do. */
export type Granted = Readonly<{
  identity: readonly IdentityScope[]
  /** Asked for in vain: the library must know, or it would ask for ever. */
  withheld: readonly IdentityScope[]
  scopes: readonly Scope[]
}>

/** What an app asks for, of what it may. `asked` is the parameter of its request. */
export function askedBy({ scopes, firstParty }: Client, asked: unknown): Granted {
  const words = typeof asked === 'string' ? asked.split(' ') : []
  const identity = identityScopes.filter((scope) => words.includes(scope))
  const readsProfile = firstParty || scopes.includes('user:read')
  return {
    identity: identity.filter((scope) => readsProfile || !ofProfile.has(scope)),
    withheld: identity.filter((scope) => !readsProfile && ofProfile.has(scope)),
    scopes: scopes.filter((scope) => words.includes(scope)),
  }
}

type GrantParts = Readonly<{
  sessions: Sessions
  clientOf: (id: string) => Client
  audience: string
}>

/** Who allows which app what, in which browser. */
export type GrantAsk = Readonly<{
  userId: UserId
  clientId: string
  methods: readonly string[]
  authenticatedAt: Micros
  network: string | null
  device: string | null
  browserId: string | null
}>

/**
 * Opens a session for an app, with a grant of what it was let do. The grant is named after the
 * session: ending one ends the other.
 */
export async function openGrant(
  provider: Provider,
  { sessions, audience }: Pick<GrantParts, 'sessions' | 'audience'>,
  ask: GrantAsk,
  granted: Granted,
): Promise<Grant> {
  const sessionId = await sessions.open(ask)
  const { userId, clientId } = ask
  const grant = new provider.Grant({ accountId: printId('user', userId), clientId })
  grant.jti = grantOf({ userId, sessionId })
  return await widen(grant, granted, audience)
}

/** Lets an app do this too. The grant ends when it did. */
export async function widen(grant: Grant, granted: Granted, audience: string): Promise<Grant> {
  const { identity, withheld, scopes } = granted
  if (identity.length > 0) grant.addOIDCScope(identity.join(' '))
  if (withheld.length > 0) grant.rejectOIDCScope(withheld.join(' '))
  if (scopes.length > 0) grant.addResourceScope(audience, scopes.join(' '))
  await grant.save()
  return grant
}

/** A grant that somebody gave an app before, if the session of that name goes on. */
export async function standingGrant(
  provider: Provider,
  sessions: Sessions,
  of: Readonly<{ grantId: string; userId: UserId; clientId: string }>,
): Promise<Grant | undefined> {
  const grant = await provider.Grant.find(of.grantId)
  const whose = sessionOfGrant(of.grantId)
  if (whose?.userId !== of.userId || grant?.clientId !== of.clientId) return undefined
  return (await sessions.claimsOf(whose)) ? grant : undefined
}

/**
 * The grant that an app has in this browser; one is made for an app of ours. Whoever has just
 * signed in again has a session that counts as fresh.
 */
export async function grantFor(
  ctx: KoaContextWithOIDC,
  parts: GrantParts,
  whence: Readonly<{ network: string | null; device: string | null }>,
): Promise<Grant | undefined> {
  const { session, client, provider, result } = ctx.oidc
  const userId = parseId('user', session?.accountId ?? '')
  if (!session || !client || !userId) return undefined
  const shown = { methods: session.amr ?? [], at: timeOf(session.loginTs) }
  const known = result?.consent?.grantId ?? session.grantIdFor(client.clientId)
  const grant = known === undefined ? undefined : await provider.Grant.find(known)
  const whose = grant?.accountId === session.accountId && sessionOfGrant(known ?? '')
  const claims = whose ? await parts.sessions.claimsOf(whose) : null
  if (grant && whose && claims) {
    if (shown.at > claims.authenticatedAt) await parts.sessions.note(whose, shown)
    return grant
  }
  const { firstParty, metadata, scopes } = parts.clientOf(client.clientId)
  if (!firstParty || metadata.application_type === 'native') return undefined
  const beginning = {
    ...whence,
    userId,
    clientId: client.clientId,
    methods: shown.methods,
    authenticatedAt: shown.at,
    browserId: session.uid,
  }
  // Nobody is asked, so nobody need be asked again: its tokens hold what each request asks for.
  const all = { identity: identityScopes, withheld: [], scopes }
  try {
    return await openGrant(provider, parts, beginning, all)
  } catch (error) {
    // Signed out since: without a grant the library goes on to ask who it is.
    if (error instanceof AppError && error.code === 'credentials_invalid') return undefined
    throw error
  }
}

/** What access tokens of a grant say beside what all do. */
export async function extraClaims(
  sessions: Sessions,
  token: Readonly<{ grantId?: string | undefined }>,
): Promise<Record<string, unknown>> {
  const whose = sessionOfGrant(token.grantId ?? '')
  const claims = whose && (await sessions.claimsOf(whose))
  if (!claims) throw new errors.InvalidGrant('the session has ended')
  return sessionClaims({ ...whose, ...claims })
}

/** Nobody for a closed user: then neither codes nor refresh tokens of theirs are worth anything. */
export async function findAccount(db: Queryable, sub: string): Promise<Account | undefined> {
  const userId = parseId('user', sub)
  const user = userId && (await findUser(db, userId))
  if (!user || user.status === 'closed') return undefined
  const claims = {
    sub,
    name: user.displayName,
    preferred_username: user.handle,
    email: user.email,
    email_verified: user.emailVerifiedAt !== null,
    phone_number: user.phoneNumber,
    phone_number_verified: user.phoneVerifiedAt !== null,
  }
  return { accountId: sub, claims: async () => await Promise.resolve(claims) }
}

/** The provider counts whole seconds. */
export function timeOf(seconds: number | undefined): Micros {
  return (BigInt(seconds ?? 0) * SECOND) as Micros
}
