import { noFence } from '../cache/kit/no-fence.ts'
import assert from 'node:assert/strict'
import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { SignJWT } from 'jose'
import type { Customer } from '../../src/access/actor.ts'
import type { AuthLayer } from '../../src/access/auth-layer.ts'
import { ownIssuer } from '../../src/access/issuers.ts'
import { createVerifier } from '../../src/access/tokens.ts'
import type { VerifyToken } from '../../src/access/tokens.ts'
import { createArrivals } from '../../src/auth/arrival.ts'
import { createBuiltinDirectory } from '../../src/auth/directories/builtin.ts'
import { createPasswords } from '../../src/auth/directories/passwords.ts'
import type { SecondFactors } from '../../src/auth/factors/second-factors.ts'
import { createFactors } from '../../src/auth/factors/factors.ts'
import type { Factors } from '../../src/auth/factors/factors.ts'
import { unbudgeted } from '../../src/auth/guard/budgets.ts'
import { createRecorder } from '../../src/auth/guard/record.ts'
import { createThrottle } from '../../src/auth/guard/throttle.ts'
import { createSessions } from '../../src/auth/sessions/sessions.ts'
import type { Sessions } from '../../src/auth/sessions/sessions.ts'
import { createSignIn } from '../../src/auth/sign-in.ts'
import { createIssuer } from '../../src/auth/tokens.ts'
import type { IssueToken, TokenClaims } from '../../src/auth/tokens.ts'
import type { Directory } from '../../src/auth/directory.ts'
import type { Pool } from '../../src/db/pool.ts'
import { newId } from '../../src/ids/ids.ts'
import type { SessionId, UserId } from '../../src/ids/ids.ts'
import type { TokenJwk } from '../../src/keys.ts'
import { createAuthLayer } from '../../src/provider/layer.ts'
import { customerScopes } from '../../src/scopes.ts'
import { SECOND } from '../../src/time.ts'
import type { Clock, Micros } from '../../src/time.ts'
import { readTokenKeys } from '../../src/token-keys.ts'
import type { TokenKeys, VerifyingKeys } from '../../src/token-keys.ts'

/** Of people who have a password and nothing else. */
export const noFactors: SecondFactors = {
  enrolled: async () => await Promise.resolve({ totp: false, passkeys: 0, recoveryCodes: 0 }),
  useCode: async () => await Promise.resolve(null),
}

/** argon2id that takes no time. */
export const cheapHash = { memoryKiB: 64, passes: 1, parallelism: 1 } as const
export const names = { issuer: 'http://auth.test', audience: 'http://api.test' } as const
export const testSite = { rpId: 'auth.test', origin: names.issuer } as const
export const here = { network: '10.0.0.1', device: 'a test' } as const

export function makeJwk(kid: string): TokenJwk {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  return { ...(privateKey.export({ format: 'jwk' }) as TokenJwk), kid }
}

/** Claims of a token of somebody who has just signed in. */
export function claimsFor(userId: UserId, clock: Clock): TokenClaims {
  return {
    userId,
    sessionId: newId('sess'),
    clientId: 'test',
    scopes: customerScopes,
    authenticatedAt: clock.now(),
    methods: ['pwd'],
    roles: [],
  }
}

type OwnParts = Readonly<{
  keys: VerifyingKeys
  issuer: string
  audience: string
  clock: Clock
}>

/** Takes tokens of our own issuer alone; nothing is ever revoked. */
export function anyoneOf(parts: OwnParts): VerifyToken {
  return createVerifier({
    issuers: [ownIssuer(parts)],
    denies: () => false,
    customerOf: async () => await Promise.reject(new Error('there is no outside issuer')),
    clock: parts.clock,
  })
}

/** The same, for tokens of people who are signed in here. */
export function verifierOf(
  parts: OwnParts,
): (token: string) => Promise<Customer & Readonly<{ sessionId: SessionId }>> {
  const verify = anyoneOf(parts)
  return async (token) => {
    const actor = await verify(token)
    assert(actor.kind === 'user' && actor.sessionId !== null)
    return { ...actor, sessionId: actor.sessionId }
  }
}

/** A token by client credentials, as the provider makes it: the client is its own subject. */
export async function signMachine(
  keys: TokenKeys,
  scopes: readonly string[],
  now: Micros,
): Promise<string> {
  const iat = Number(now / SECOND)
  return await new SignJWT({ client_id: 'reports', scope: scopes.join(' '), jti: '1', iat })
    .setProtectedHeader({ alg: 'ES256', typ: 'at+jwt', kid: keys.signing.kid })
    .setIssuer(names.issuer)
    .setAudience(names.audience)
    .setSubject('reports')
    .setExpirationTime(iat + 300)
    .sign(keys.signing.key)
}

export type TestAuth = Readonly<{
  keys: TokenKeys
  directory: Directory
  sessions: Sessions
  issueToken: IssueToken
  factors: Factors
  layer: AuthLayer
}>

/** The auth layer, in this process. */
export function openAuth(
  parts: Readonly<{ pool: Pool; clock: Clock; digestKey: Uint8Array }>,
): TestAuth {
  const { pool, clock } = parts
  const keys = readTokenKeys([makeJwk('test')])
  const passwords = createPasswords(cheapHash, { atOnce: 2, rests: 0 })
  const directory = createBuiltinDirectory({ db: pool, passwords })
  const issueToken = createIssuer({ keys, ...names, ttlSeconds: 300, clock })
  const record = createRecorder(pool, clock)
  const base = { pool, clock, directory, record }
  const sessions = createSessions({ ...base, issueToken, tokenTtlSeconds: 300 })
  const throttle = createThrottle(pool, clock)
  const sealKeys = new Map([['test', randomBytes(32)]])
  const factors = createFactors({ ...parts, sealKeys, record, site: testSite })
  const signIn = createSignIn({ db: pool, directory, factors, throttle, record })
  const enrolling = { ...parts, fence: noFence, directory }
  const layer = createAuthLayer({
    sessions,
    signIn,
    record,
    arrive: createArrivals({ pool, clock, record }),
    enrolling,
    budgets: unbudgeted,
  })
  return { keys, directory, sessions, issueToken, factors, layer }
}
