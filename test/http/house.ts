import { pino } from 'pino'
import { createAdmission } from '../../src/http/admission/admission.ts'
import type { HttpParts } from '../../src/http/parts.ts'
import { createServer } from '../../src/http/server.ts'
import type { UserId } from '../../src/ids/ids.ts'
import { readMailbox } from '../../src/messages/mailbox.ts'
import { findUser } from '../../src/users/find.ts'
import { anyoneOf, claimsFor, names } from '../kit/auth.ts'
import { startWorld } from '../kit/world.ts'
import type { World, WorldOptions } from '../kit/world.ts'

export type Method = 'GET' | 'POST' | 'PUT' | 'DELETE'

export type Answer<T> = Readonly<{ status: number; body: T; headers: Record<string, unknown> }>

/** Somebody who asks: `ask` sends their token along. */
export type Caller = Readonly<{
  ask: <T = Record<string, unknown>>(
    method: Method,
    url: string,
    payload?: object | string,
    headers?: Record<string, string>,
  ) => Promise<Answer<T>>
}>

export type House = Readonly<{
  world: World
  stranger: Caller
  /** Whoever has this access token. */
  caller: (accessToken: string) => Caller
  /** A user of the world, with a token of their own. */
  signedIn: (userId: UserId) => Promise<Caller>
  close: () => Promise<void>
}>

/** The whole house with its door, on a database of its own. `change` gives the door other parts. */
export async function openHouse(
  options: WorldOptions = {},
  change: (world: World) => Partial<HttpParts> = () => ({}),
): Promise<House> {
  const world = await startWorld(options)
  const { pool, clock } = world.parts
  const { keys, issueToken, layer } = world.auth
  const app = createServer({
    version: '0.0.0',
    log: pino({ level: 'warn' }),
    clock,
    quotas: null,
    admission: createAdmission(),
    trusts: () => false,
    payments: world.payments,
    authLayer: layer,
    verifyToken: anyoneOf({ keys, ...names, clock }),
    findUser: async (id) => await findUser(pool, id),
    publicJwks: keys.publicJwks,
    readiness: async () => await Promise.resolve({ ready: true, checks: {} }),
    readMailbox: async (recipient, limit) => await readMailbox(pool, recipient, limit),
    ...change(world),
  })

  const caller = (accessToken: string | null): Caller => ({
    ask: async (method, url, payload, headers = {}) => {
      const authorization = accessToken === null ? {} : { authorization: `Bearer ${accessToken}` }
      const answer = await app.inject({
        method,
        url,
        headers: { ...authorization, ...headers },
        ...(payload !== undefined && { payload }),
      })
      // The test says what it expects, and asserts it.
      const json = String(answer.headers['content-type']).includes('json')
      const body = (json && answer.body !== '' ? answer.json() : answer.body) as never
      return { status: answer.statusCode, body, headers: answer.headers }
    },
  })
  return {
    world,
    stranger: caller(null),
    caller,
    signedIn: async (userId) => {
      const { accessToken } = await issueToken(claimsFor(userId, clock))
      return caller(accessToken)
    },
    close: async () => {
      await app.close()
      await world.close()
    },
  }
}
