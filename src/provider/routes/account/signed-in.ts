import { randomBytes } from 'node:crypto'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Provider } from 'oidc-provider'
import { isLately } from '../../../access/policy.ts'
import type { Whence } from '../../../auth/guard/record.ts'
import type { Sessions } from '../../../auth/sessions/sessions.ts'
import { AppError } from '../../../errors.ts'
import { parseId } from '../../../ids/ids.ts'
import type { UserId } from '../../../ids/ids.ts'
import type { Clock } from '../../../time.ts'
import { ACCOUNT_CLIENT } from '../../openid/clients.ts'
import { timeOf } from '../../openid/grants.ts'
import { wasSignedOut } from '../../openid/sign-in-policy.ts'
import { whenceOf } from '../passing.ts'

/** Whose browser this is, by the provider's own cookie. */
export type Visitor = Readonly<{
  userId: UserId
  browserId: string
  fresh: boolean
  whence: Whence
}>

export type VisitParts = Readonly<{ provider: Provider; clock: Clock; sessions: Sessions }>

export type Visits = Readonly<{
  /** @throws Detour to the sign-in for who is not signed in. */
  visitor: (request: FastifyRequest, reply: FastifyReply) => Promise<Visitor>
  /** As `visitor`, for changes: whoever is not fresh signs in again first. @throws Detour */
  fresh: (request: FastifyRequest, reply: FastifyReply) => Promise<Visitor>
  /** For scripts: no detour. @throws AppError `step_up_required`, `unauthenticated`. */
  freshForScript: (request: FastifyRequest, reply: FastifyReply) => Promise<Visitor>
}>

/** No refusal: the reader goes elsewhere first, and comes back. */
export class Detour extends Error {
  override readonly name = 'Detour'
  readonly location: string

  constructor(location: string) {
    super('elsewhere first')
    this.location = location
  }
}

export function createVisits({ provider, clock, sessions }: VisitParts): Visits {
  async function look(request: FastifyRequest, reply: FastifyReply): Promise<Visitor | null> {
    const context = provider.createContext(request.raw, reply.raw)
    const session = await provider.Session.get(context)
    const userId = parseId('user', session.accountId ?? '')
    if (!userId) return null
    const at = timeOf(session.loginTs)
    const shown = { userId, browserId: session.uid, at }
    if ((await wasSignedOut(sessions, shown)) || !(await sessions.mayGoOn(userId))) return null
    const fresh = isLately(at, clock.now())
    const whence = whenceOf(request, ACCOUNT_CLIENT)
    return { userId, browserId: session.uid, fresh, whence }
  }

  return {
    visitor: async (request, reply) => {
      const found = await look(request, reply)
      if (!found) throw new Detour(signInUrl(provider, {}))
      return found
    },
    fresh: async (request, reply) => {
      const found = await look(request, reply)
      if (found?.fresh) return found
      throw new Detour(signInUrl(provider, found ? { prompt: 'login' } : {}))
    },
    freshForScript: async (request, reply) => {
      const found = await look(request, reply)
      if (!found) throw new AppError('unauthenticated')
      if (!found.fresh) throw new AppError('step_up_required')
      return found
    },
  }
}

/**
 * These pages are an app of the provider like any other, so that there is one way to sign in. They
 * want its cookie, not its code: nobody keeps the verifier, and the code is never used.
 */
function signInUrl(provider: Provider, more: Readonly<Record<string, string>>): string {
  const query = new URLSearchParams({
    client_id: ACCOUNT_CLIENT,
    response_type: 'code',
    scope: 'openid',
    redirect_uri: `${provider.issuer}/account/signed-in`,
    code_challenge: randomBytes(32).toString('base64url'),
    code_challenge_method: 'S256',
    ...more,
  })
  return `/auth?${query.toString()}`
}
