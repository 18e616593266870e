import * as client from 'openid-client'
import { readConfig } from '../../config.ts'
import type { Config } from '../../config.ts'
import { StartRefused } from '../../errors.ts'
import { customerScopes } from '../../scopes.ts'
import { systemClock, MILLISECOND } from '../../time.ts'
import { forget, keep, kept } from './kept.ts'
import type { Kept } from './kept.ts'

/** As the provider has it: `CLI_CLIENT` there. */
const CLIENT = 'cli'
const ANSWER_WITHIN_SECONDS = 10
/** A token that ends while a request is on its way is of no use. */
const SPARE_MS = 15_000
const SESSION_OVER = 'Your session is over: run `farthing sign-in`.'

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
  const asked = await heard(config, client.initiateDeviceAuthorization(provider, { scope }))
  console.log(`Open ${asked.verification_uri} in a browser, and type this code:\n`)
  console.log(`  ${asked.user_code}\n`)
  console.log(`It works for ${Math.floor((asked.expires_in ?? 600) / 60)} minutes. Waiting …`)
  const tokens = await heard(config, client.pollDeviceAuthorizationGrant(provider, asked))
  const session = sessionOf(config, tokens)
  await keep(session)
  const handle = tokens.claims()?.['preferred_username']
  console.log(`You are signed in as ${typeof handle === 'string' ? handle : session.userId}.`)
  return 0
}

/** Says who is signed in here, as the API knows them. */
export async function whoAmI(): Promise<number> {
  const config = readConfig(process.env)
  const { accessToken, userId } = await fresh(config)
  const told = await askApi(config, `/v1/user/${userId}`, accessToken)
  console.log(`${told['handle']} (${told['displayName']}), ${userId}`)
  return 0
}

type Told = Partial<Record<string, string>>

/** @throws StartRefused with the sentence of a refusal. */
async function askApi({ publicUrl }: Config, route: string, accessToken: string): Promise<Told> {
  let answer, told
  try {
    answer = await fetch(publicUrl + route, {
      headers: { authorization: `Bearer ${accessToken}` },
      signal: AbortSignal.timeout(ANSWER_WITHIN_SECONDS * 1_000),
    })
    told = (await answer.json()) as Told
  } catch (cause) {
    throw new StartRefused(`The API at ${publicUrl} does not answer.`, { cause })
  }
  if (answer.ok) return told
  if (told['code'] === 'token_invalid') throw new StartRefused(SESSION_OVER)
  throw new StartRefused(told['errorMessage'] ?? `The API said ${answer.status}.`)
}

/** Ends the session here and at the provider. */
export async function signOut(): Promise<number> {
  const config = readConfig(process.env)
  const { refreshToken } = await kept(config.auth.url)
  const provider = await providerOf(config)
  const hint = { token_type_hint: 'refresh_token' }
  await heard(config, client.tokenRevocation(provider, refreshToken, hint))
  await forget()
  console.log('You are signed out.')
  return 0
}

/** The session that is kept here, refreshed when its token has nearly ended. */
async function fresh(config: Config): Promise<Kept> {
  const session = await kept(config.auth.url)
  if (nowMs() + SPARE_MS < session.expiresAtMs) return session
  const provider = await providerOf(config)
  const tokens = await heard(config, client.refreshTokenGrant(provider, session.refreshToken))
  const next = sessionOf(config, tokens, session)
  await keep(next)
  return next
}

/** What the auth layer refuses, in words for who asked. */
const sentences: Readonly<Record<string, string>> = {
  access_denied: 'It was not allowed.',
  expired_token: 'The code has expired: run `farthing sign-in` anew.',
  invalid_grant: SESSION_OVER,
}

/** @throws StartRefused for whatever the auth layer refuses, or when nothing comes from it. */
async function heard<T>({ auth }: Config, answer: Promise<T>): Promise<T> {
  try {
    return await answer
  } catch (cause) {
    if (cause instanceof client.ResponseBodyError) {
      const told = sentences[cause.error] ?? `The auth layer refuses it: ${cause.error}.`
      throw new StartRefused(told, { cause })
    }
    const away = cause instanceof TypeError && cause.message === 'fetch failed'
    if (!away && !(cause instanceof client.ClientError)) throw cause
    throw new StartRefused(noAuthLayer(auth.url), { cause })
  }
}

async function providerOf(config: Config): Promise<client.Configuration> {
  const issuer = new URL(config.auth.url)
  // Only development is allowed to have such an issuer.
  const execute = issuer.protocol === 'http:' ? [client.allowInsecureRequests] : []
  try {
    return await client.discovery(issuer, CLIENT, undefined, client.None(), {
      execute,
      timeout: ANSWER_WITHIN_SECONDS,
    })
  } catch (cause) {
    throw new StartRefused(noAuthLayer(config.auth.url), { cause })
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

function noAuthLayer(url: string): string {
  return `The auth layer at ${url} does not answer. AUTH_URL or AUTH_PORT says where it is.`
}
