import type { FastifyInstance } from 'fastify'
import { pino } from 'pino'
import { createQuotas } from '../../src/quotas.ts'
import { readTokenKeys } from '../../src/token-keys.ts'
import { createIssuer } from '../../src/auth/tokens.ts'
import type { TokenClaims } from '../../src/auth/tokens.ts'
import { AppError } from '../../src/errors.ts'
import { createAdmission } from '../../src/http/admission/admission.ts'
import type { HttpParts } from '../../src/http/parts.ts'
import { createServer } from '../../src/http/server.ts'
import { newId, printId } from '../../src/ids/ids.ts'
import type { UserId } from '../../src/ids/ids.ts'
import { after } from '../../src/time.ts'
import type { Micros } from '../../src/time.ts'
import { anyoneOf, claimsFor, makeJwk, names, signMachine } from '../kit/auth.ts'

export type Door = Readonly<{
  app: FastifyInstance
  /** Signed in. */
  me: Readonly<{ userId: UserId; id: string; authorization: string }>
  /** The Authorization of the same user with another token. */
  tokenFor: (change: Partial<TokenClaims>) => Promise<string>
  /** The Authorization of a service, by client credentials. */
  serviceToken: (scopes: readonly string[]) => Promise<string>
  logged: readonly string[]
  pass: (span: bigint) => void
}>

/** What whoever gets past the door meets: every flow is refused with this. */
export const PASSED = 'database_unavailable'

/**
 * The real door and real tokens, before a house whose database is away. A request that the door
 * lets through is answered by `PASSED`, so a test can tell which requests those are.
 */
export async function openDoor(change: Partial<HttpParts> = {}): Promise<Door> {
  let now = 1_790_000_000_000_000n as Micros
  const clock = { now: () => now }
  const keys = readTokenKeys([makeJwk('test')])
  const issuing = { keys, ...names, ttlSeconds: 300, clock }
  const userId = newId('user')
  const issue = createIssuer(issuing)
  const tokenFor = async (change: Partial<TokenClaims>) => {
    return `Bearer ${(await issue({ ...claimsFor(userId, clock), ...change })).accessToken}`
  }

  const logged: string[] = []
  const app = createServer({
    version: '0.0.0',
    log: pino({ level: 'info' }, { write: (line: string) => void logged.push(line) }),
    clock,
    quotas: createQuotas(clock, null),
    admission: createAdmission(),
    trusts: () => false,
    payments: away as HttpParts['payments'],
    authLayer: away as HttpParts['authLayer'],
    verifyToken: anyoneOf(issuing),
    findUser: refuse,
    publicJwks: keys.publicJwks,
    readiness: async () => await Promise.resolve({ ready: true, checks: { database: 'ok' } }),
    readMailbox: refuse,
    ...change,
  })
  await app.ready()
  return {
    app,
    me: { userId, id: printId('user', userId), authorization: await tokenFor({}) },
    tokenFor,
    serviceToken: async (scopes) => `Bearer ${await signMachine(keys, scopes, now)}`,
    logged,
    pass: (span) => {
      now = after(now, span)
    },
  }
}

/** Parts whose every function ends like this. */
export function failing(error: Error): object {
  async function fail(): Promise<never> {
    throw error
  }
  return new Proxy({}, { get: () => fail })
}

const away = failing(new AppError(PASSED))

async function refuse(): Promise<never> {
  throw new AppError(PASSED)
}
