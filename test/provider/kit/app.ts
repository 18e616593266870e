import assert from 'node:assert/strict'
import * as openid from 'openid-client'
import type { Customer, OpenProvider } from './provider.ts'
import type { Page, Visitor } from './visitor.ts'

type Parameters = Readonly<Record<string, string>>

/** An authorization request on its way, with what its app keeps to itself. */
export type Begun = Readonly<{ url: URL; verifier: string; state: string; nonce: string }>

export type Tokens = openid.TokenEndpointResponse & openid.TokenEndpointResponseHelpers

/** A program that asks for tokens, by way of a library that others use. */
export type App = Readonly<{
  config: openid.Configuration
  begin: (parameters?: Parameters) => Promise<Begun>
  /** Trades the code that came back for tokens. */
  finish: (begun: Begun, back: URL) => Promise<Tokens>
  refresh: (refreshToken: string) => Promise<Tokens>
  /** Signs the customer in, in that browser. */
  signIn: (visitor: Visitor, customer: Customer, parameters?: Parameters) => Promise<Tokens>
}>

export const webScope = 'openid profile email user:read payments:read payments:write'

export async function openApp(
  provider: Pick<OpenProvider, 'issuer' | 'webUrl'>,
  ask: Readonly<{ id?: string; redirectUri?: string; scope?: string; secret?: string }> = {},
): Promise<App> {
  const { id = 'web', redirectUri = `${provider.webUrl}/signed-in`, scope = webScope } = ask
  const config = await discover(provider.issuer, id, ask.secret)

  async function begin(parameters: Parameters = {}): Promise<Begun> {
    const verifier = openid.randomPKCECodeVerifier()
    const state = openid.randomState()
    const nonce = openid.randomNonce()
    const url = openid.buildAuthorizationUrl(config, {
      redirect_uri: redirectUri,
      scope,
      code_challenge: await openid.calculatePKCECodeChallenge(verifier),
      code_challenge_method: 'S256',
      state,
      nonce,
      ...parameters,
    })
    return { url, verifier, state, nonce }
  }

  async function finish({ verifier, state, nonce }: Begun, back: URL): Promise<Tokens> {
    return await openid.authorizationCodeGrant(config, back, {
      pkceCodeVerifier: verifier,
      expectedState: state,
      expectedNonce: nonce,
    })
  }

  return {
    config,
    begin,
    finish,
    refresh: async (refreshToken) => await openid.refreshTokenGrant(config, refreshToken),
    signIn: async (visitor, customer, parameters) => {
      const begun = await begin(parameters)
      const page = await signInOn(visitor, await visitor.open(begun.url), customer)
      assert.equal(page.url.origin + page.url.pathname, redirectUri, page.html)
      return await finish(begun, page.url)
    },
  }
}

/** The page that comes after the right password. */
export async function signInOn(visitor: Visitor, page: Page, customer: Customer): Promise<Page> {
  const typed = { login: customer.email, password: customer.password }
  return await visitor.submit(page, typed, '/password')
}

export async function discover(
  issuer: string,
  id: string,
  secret?: string,
): Promise<openid.Configuration> {
  const authentication = secret === undefined ? openid.None() : openid.ClientSecretBasic(secret)
  const insecure = { execute: [openid.allowInsecureRequests] }
  return await openid.discovery(new URL(issuer), id, {}, authentication, insecure)
}

/** Asserts that the provider refuses with this OAuth error. */
export async function refused(work: Promise<unknown>, code: string): Promise<void> {
  await assert.rejects(work, (error) => {
    assert.equal(codeIn(error), code, String(error))
    return true
  })
}

function codeIn(error: unknown): string | undefined {
  if (error instanceof openid.WWWAuthenticateChallengeError) {
    return error.cause[0]?.parameters['error']
  }
  const { error: told, code } = error as { error?: string; code?: string }
  return told ?? code
}
