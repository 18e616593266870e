import { errors, Provider } from 'oidc-provider'
import type { Configuration, KoaContextWithOIDC } from 'oidc-provider'
import type { Sessions } from '../../auth/sessions/sessions.ts'
import { sessionOfGrant } from '../../auth/sessions/store.ts'
import type { Queryable } from '../../db/query.ts'
import type { TokenJwk } from '../../keys.ts'
import { placeOf } from '../../network.ts'
import { bug, problems } from '../../problems.ts'
import { SECOND } from '../../time.ts'
import type { Clock } from '../../time.ts'
import { createAdapter } from './adapter.ts'
import type { Client } from './clients.ts'
import { inItsWords } from './unavailable.ts'
import { extraClaims, findAccount, GRANT_SECONDS, grantFor } from './grants.ts'
import { signInPolicy } from './sign-in-policy.ts'

const CODE_SECONDS = 60
const DEVICE_CODE_SECONDS = 600
const ID_TOKEN_SECONDS = 300
const INTERACTION_SECONDS = 1_800
/** How long a browser stays signed in at the auth layer itself after it was last asked. */
const BROWSER_SECONDS = 12 * 3_600

/** Pages that the library asks for in the middle of its own work. `form` is its own markup. */
export type ProviderPages = Readonly<{
  /** `app` is the one that sends people to sign out, or that alone was left; null: none. */
  signOut: (form: string, app: string | null) => string
  signedOut: (app: string | null) => string
  deviceCode: (form: string, problem: string | null) => string
  deviceConfirm: (form: string, app: string, code: string) => string
  deviceDone: (app: string) => string
  problem: (title: string, text: string) => string
}>

export type ProviderParts = Readonly<{
  issuer: string
  /** The API, which access tokens are for. */
  audience: string
  /** Private keys; the first signs, all are published. */
  tokenKeys: readonly TokenJwk[]
  tokenTtlSeconds: number
  /** 32 bytes: signs cookies. */
  cookieKey: string
  clients: readonly Client[]
  db: Queryable
  clock: Clock
  sessions: Sessions
  pages: ProviderPages
}>

/** The OpenID provider, without sign-in pages. @see OpenID Connect Core 1.0, RFC 9700 */
export function createProvider(parts: ProviderParts): Provider {
  const { issuer, clients, sessions } = parts
  const byId = new Map(clients.map((client) => [client.id, client]))
  const clientOf = (id: string): Client => {
    const client = byId.get(id)
    if (!client) throw new errors.InvalidClient('there is no such client')
    return client
  }
  const provider = new Provider(issuer, {
    ...fixed,
    adapter: createAdapter({
      ...parts,
      onGrantEnd: async (id) => await endSessionOf(id, sessions),
    }),
    clients: clients.map(({ metadata }) => metadata),
    jwks: { keys: parts.tokenKeys.map((key) => ({ ...key, alg: 'ES256', use: 'sig' }) as const) },
    cookies: { keys: [parts.cookieKey] },
    ttl: {
      ...lives,
      AccessToken: parts.tokenTtlSeconds,
      ClientCredentials: parts.tokenTtlSeconds,
      Session: (_ctx, { loginTs }) => browserLives(parts.clock, loginTs),
    },
    findAccount: async (_ctx, sub) =>
      await inItsWords(async () => await findAccount(parts.db, sub)),
    loadExistingGrant: async (ctx) =>
      await inItsWords(
        async () =>
          await grantFor(ctx, { sessions, clientOf, audience: parts.audience }, whenceOf(ctx)),
      ),
    ...claimsBeforeConsumption(sessions),
    clientBasedCORS: (_ctx, origin, client) =>
      (client.redirectUris ?? []).some((uri) => new URL(uri).origin === origin),
    interactions: { url: (_ctx, { uid }) => `/interaction/${uid}`, policy: signInPolicy(sessions) },
    features: featuresOf(parts, clientOf),
    renderError: (ctx, { error, error_description: why }) => {
      const text = `${unanswerable} (${why ?? error})`
      const asked = { title: 'That did not work', sentence: text }
      const ours = error === 'temporarily_unavailable' ? problems.database_unavailable : bug
      const { title, sentence } = ctx.status >= 500 ? ours : asked
      show(ctx, parts.pages.problem(title, sentence))
    },
  })
  provider.use(async (ctx, next) => {
    await next()
    if (ctx.status !== 404 || ctx.body !== undefined) return
    show(ctx, parts.pages.problem('No such page', problems.route_unknown.sentence))
    ctx.status = 404
  })
  // Behind a proxy that ends TLS, which the issuer's https tells of. Only the address that it has
  // added itself counts: whoever asks may have written others before it.
  provider.proxy = issuer.startsWith('https:')
  provider.maxIpsCount = 1
  return provider
}

/**
 * The library uses a refresh token up, and asks for the claims of the next access token only then.
 * We ask before: when the directory or the database cannot say, the token is as good as it was.
 */
function claimsBeforeConsumption(
  sessions: Sessions,
): Pick<Configuration, 'rotateRefreshToken' | 'extraTokenClaims'> {
  const asked = new WeakMap<KoaContextWithOIDC, Record<string, unknown>>()
  const ask = async (token: Readonly<{ grantId?: string | undefined }>) =>
    await inItsWords(async () => await extraClaims(sessions, token))
  return {
    rotateRefreshToken: async (ctx) => {
      const grantId = ctx.oidc.entities.RefreshToken?.grantId
      asked.set(ctx, await ask({ grantId }))
      const whose = sessionOfGrant(grantId ?? '')
      if (whose) await inItsWords(async () => await sessions.touch(whose))
      return true
    },
    extraTokenClaims: async (ctx, token) => {
      if (token.kind !== 'AccessToken') return undefined
      return asked.get(ctx) ?? (await ask(token))
    },
  }
}

const unanswerable = `The app that sent you here asked for what cannot be done, or it took too long.
Go back to it and start anew.`

const fixed = {
  clientDefaults: { id_token_signed_response_alg: 'ES256' },
  enabledJWA: { idTokenSigningAlgValues: ['ES256'] },
  responseTypes: ['code'],
  // What clients have: no secret at all, or one in the header, where no log of bodies finds it.
  clientAuthMethods: ['none', 'client_secret_basic'],
  pkce: { required: () => true },
  scopes: ['openid', 'offline_access'],
  claims: {
    openid: ['sub'],
    profile: ['name', 'preferred_username'],
    email: ['email', 'email_verified'],
    phone: ['phone_number', 'phone_number_verified'],
  },
  // The app reads who signed in from the ID token: access tokens are for the API only.
  conformIdTokenClaims: false,
  extraParams: ['screen_hint'],
  issueRefreshToken: async (_ctx, client) =>
    await Promise.resolve(client.grantTypeAllowed('refresh_token')),
  expiresWithSession: async () => await Promise.resolve(false),
} satisfies Configuration

const lives: NonNullable<Configuration['ttl']> = {
  AuthorizationCode: CODE_SECONDS,
  DeviceCode: DEVICE_CODE_SECONDS,
  Grant: GRANT_SECONDS,
  IdToken: ID_TOKEN_SECONDS,
  Interaction: INTERACTION_SECONDS,
  // Rotation does not move the end of the family.
  RefreshToken: (ctx) => ctx.oidc.entities.RotatedRefreshToken?.remainingTTL ?? GRANT_SECONDS,
}

/** However often it is asked, it ends: else a browser in use would never sign in again. */
function browserLives(clock: Clock, signedInAt: number | undefined): number {
  const now = Number(clock.now() / SECOND)
  const left = (signedInAt ?? now) + GRANT_SECONDS - now
  return Math.max(1, Math.min(BROWSER_SECONDS, left))
}

function featuresOf(
  { audience, tokenTtlSeconds, pages }: ProviderParts,
  clientOf: (id: string) => Client,
): NonNullable<Configuration['features']> {
  return {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    revocation: {
      enabled: true,
      allowedPolicy: (_ctx, client, token) => token.clientId === client.clientId,
    },
    rpInitiatedLogout: {
      enabled: true,
      logoutSource: (ctx, form) => show(ctx, pages.signOut(form, appOf(ctx))),
      postLogoutSuccessSource: (ctx) => show(ctx, pages.signedOut(appOf(ctx))),
    },
    deviceFlow: {
      enabled: true,
      userCodeInputSource: (ctx, form, _out, error) =>
        show(ctx, pages.deviceCode(form, error ? problemOf(error) : null)),
      userCodeConfirmSource: (ctx, form, client, _device, code) =>
        show(ctx, pages.deviceConfirm(form, nameOf(client.clientId), code)),
      successSource: (ctx) => show(ctx, pages.deviceDone(nameOf(ctx.oidc.client?.clientId ?? ''))),
    },
    resourceIndicators: {
      enabled: true,
      defaultResource: (_ctx, _client, oneOf) => oneOf ?? audience,
      useGrantedResource: () => true,
      getResourceServerInfo: (_ctx, resource, client) => {
        if (resource !== audience) throw new errors.InvalidTarget()
        return {
          scope: clientOf(client.clientId).scopes.join(' '),
          audience,
          accessTokenTTL: tokenTtlSeconds,
          accessTokenFormat: 'jwt',
          jwt: { sign: { alg: 'ES256' } },
        }
      },
    },
  }

  function appOf({ oidc }: KoaContextWithOIDC): string | null {
    return oidc.client ? nameOf(oidc.client.clientId) : null
  }

  function nameOf(id: string): string {
    return clientOf(id).name
  }
}

function show(ctx: Pick<KoaContextWithOIDC, 'type' | 'body'>, text: string): void {
  ctx.type = 'html'
  ctx.body = text
}

/** What the library calls a wrong, old or used code; the code itself is not repeated. */
function problemOf(error: Error): string {
  if (error.name === 'AbortedError') return 'The sign-in was stopped.'
  return 'This code is wrong, too old, or was used already. Look at it again, or start anew.'
}

async function endSessionOf(grantId: string, sessions: Sessions): Promise<void> {
  const whose = sessionOfGrant(grantId)
  if (whose) await sessions.end(whose)
}

/** Where a browser asks from, as a list of sessions shows it. */
export function whenceOf(ctx: Pick<KoaContextWithOIDC, 'ip' | 'get'>) {
  return placeOf(ctx.ip, ctx.get('user-agent'))
}
