import { errors } from 'oidc-provider'
import type { Account, KoaContextWithOIDC, Provider } from 'oidc-provider'
import type { Sessions } from '../../auth/sessions/sessions.ts'
import { grantOf, sessionOfGrant } from '../../auth/sessions/store.ts'
import { sessionClaims } from '../../auth/tokens.ts'
import type { Queryable } from '../../db/query.ts'
import { parseId, printId } from '../../ids/ids.ts'
import type { UserId } from '../../ids/ids.ts'
import { SECOND } from '../../time.ts'
import type { Micros } from '../../time.ts'
import { findUser } from '../../users/find.ts'
import type { Client } from './clients.ts'

/** An absolute end, as that of the session which it belongs to. */
export const GRANT_SECONDS = 14 * 24 * 3_600

type Grant = InstanceType<Provider['Grant']>

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
 * Opens a session for an app, with a grant of all that this app may ask for. The grant is named
 * after the session: ending one ends the other.
 */
export async function openGrant(
  provider: Provider,
  { sessions, clientOf, audience }: GrantParts,
  ask: GrantAsk,
): Promise<Grant> {
  const sessionId = await sessions.open(ask)
  const { userId, clientId } = ask
  const grant = new provider.Grant({ accountId: printId('user', userId), clientId })
  grant.jti = grantOf({ userId, sessionId })
  grant.addOIDCScope('openid profile email phone offline_access')
  grant.addResourceScope(audience, clientOf(clientId).scopes.join(' '))
  await grant.save()
  return grant
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
  const { firstParty, metadata } = parts.clientOf(client.clientId)
  if (!firstParty || metadata.application_type === 'native') return undefined
  return await openGrant(provider, parts, {
    ...whence,
    userId,
    clientId: client.clientId,
    methods: shown.methods,
    authenticatedAt: shown.at,
    browserId: session.uid,
  })
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
