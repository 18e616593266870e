import * as client from 'openid-client'
import { readConfig } from '../../config.ts'
import type { Config } from '../../config.ts'
import { StartRefused } from '../../errors.ts'
import { CLI_CLIENT } from '../../provider/openid/clients.ts'
import { customerScopes } from '../../scopes.ts'
import { systemClock, MILLISECOND } from '../../time.ts'
import { forget, keep, kept } from './kept.ts'
import type { Kept } from './kept.ts'

const ANSWER_WITHIN_SECONDS = 10
/** A token that ends while a request is on its way is of no use. */
const SPARE_MS = 15_000

/**
 * Signs the command line in: a person types a code into a browser, on any device, and allows it
 * there. No password passes through here.
 *
 * @see RFC 8628
 */
export async function signIn(): Promise<number> {
  const config = readConfig(process.env)
  const provider = await providerOf(config)
  const scope = ['openid', 'profile', 'offline_access', ...customerScopes].join(' ')
  const asked = await client.initiateDeviceAuthorization(provider, { scope })
  console.log(`Open ${asked.verification_uri} in a browser, and type this code:\n`)
  console.log(`  ${asked.user_code}\n`)
  console.log(`It works for ${Math.floor((asked.expires_in ?? 600) / 60)} minutes. Waiting …`)
  const tokens = await allowed(provider, asked)
  const session = sessionOf(config, tokens)
  await keep(session)
  const handle = tokens.claims()?.['preferred_username']
  console.log(`You are signed in as ${typeof handle === 'string' ? handle : session.userId}.`)
  return 0
}

async function allowed(
  provider: client.Configuration,
  asked: client.DeviceAuthorizationResponse,
): Promise<Tokens> {
  try {
    return await client.pollDeviceAuthorizationGrant(provider, asked)
  } catch (cause) {
    const why = cause instanceof client.ResponseBodyError ? cause.error : null
    if (why === 'access_denied') throw new StartRefused('It was not allowed.', { cause })
    if (why === 'expired_token') {
      throw new StartRefused('The code has expired: run `farthing sign-in` anew.', { cause })
    }
    throw cause
  }
}

/** Says who is signed in here, as the API knows them. */
export async function whoAmI(): Promise<number> {
  const config = readConfig(process.env)
  const { accessToken, userId } = await fresh(config)
  const answer = await fetch(`${config.publicUrl}/v1/user/${userId}`, {
    headers: { authorization: `Bearer ${accessToken}` },
    signal: AbortSignal.timeout(ANSWER_WITHIN_SECONDS * 1_000),
  })
  const told = (await answer.json()) as Partial<Record<string, string>>
  if (!answer.ok) throw new StartRefused(told['errorMessage'] ?? `The API said ${answer.status}.`)
  console.log(`${told['handle']} (${told['displayName']}), ${userId}`)
  return 0
}

/** Ends the session here and at the provider. */
export async function signOut(): Promise<number> {
  const config = readConfig(process.env)
  const { refreshToken } = await kept()
  const provider = await providerOf(config)
  const hint = { token_type_hint: 'refresh_token' }
  await client.tokenRevocation(provider, refreshToken, hint)
  await forget()
  console.log('You are signed out.')
  return 0
}

/** The session that is kept here, refreshed when its token has nearly ended. */
async function fresh(config: Config): Promise<Kept> {
  const session = await kept()
  if (session.issuer !== config.auth.url) {
    throw new StartRefused(`You are signed in at ${session.issuer}, not at ${config.auth.url}.`)
  }
  if (nowMs() + SPARE_MS < session.expiresAtMs) return session
  const provider = await providerOf(config)
  try {
    const tokens = await client.refreshTokenGrant(provider, session.refreshToken)
    const next = sessionOf(config, tokens, session)
    await keep(next)
    return next
  } catch (cause) {
    if (!(cause instanceof client.ResponseBodyError) || cause.error !== 'invalid_grant') throw cause
    throw new StartRefused('Your session is over: run `farthing sign-in`.', { cause })
  }
}

async function providerOf(config: Config): Promise<client.Configuration> {
  const issuer = new URL(config.auth.url)
  // Only development is allowed to have such an issuer.
  const execute = issuer.protocol === 'http:' ? [client.allowInsecureRequests] : []
  try {
    return await client.discovery(issuer, CLI_CLIENT, undefined, client.None(), {
      execute,
      timeout: ANSWER_WITHIN_SECONDS,
    })
  } catch (cause) {
    throw new StartRefused(`The auth layer at ${issuer.href} does not answer.`, { cause })
  }
}

type Tokens = Awaited<ReturnType<typeof client.refreshTokenGrant>>

function sessionOf(config: Config, tokens: Tokens, before?: Kept): Kept {
  const userId = tokens.claims()?.sub ?? before?.userId
  const refreshToken = tokens.refresh_token ?? before?.refreshToken
  if (userId === undefined || refreshToken === undefined) {
    throw new StartRefused('The auth layer answered without a session. Sign in anew.')
  }
  return {
    issuer: config.auth.url,
    userId,
    accessToken: tokens.access_token,
    refreshToken,
    expiresAtMs: nowMs() + (tokens.expires_in ?? 0) * 1_000,
  }
}

function nowMs(): number {
  return Number(systemClock.now() / MILLISECOND)
}
