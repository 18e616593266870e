import type { FastifyReply, FastifyRequest, RouteOptions } from 'fastify'
import type { Actor } from '../access/actor.ts'
import { isFresh, may, mustBeFresh, roleAmongOthers, scopeFor } from '../access/policy.ts'
import type { Action, Role } from '../access/policy.ts'
import type { VerifyToken } from '../access/tokens.ts'
import { AppError } from '../errors.ts'
import { parseId } from '../ids/ids.ts'
import type { SessionId, UserId } from '../ids/ids.ts'
import { networkOf } from '../network.ts'
import type { Staff } from '../payments/asks.ts'
import type { Clock } from '../time.ts'
import type { QuotaName, Quotas } from '../quotas.ts'
import { placeOf } from './shapes/place.ts'

/** What a route says of itself; `server.ts` refuses to start with one that names no action. */
export type Access = Readonly<{
  action: Action
  /** The path parameter that names whose things these are. Without it, they are the caller's. */
  owner?: 'id' | 'userId'
  /** Default: reads for GET, writes for the rest. `null` is never refused. */
  quota?: QuotaName | null
}>

declare module 'fastify' {
  interface FastifyContextConfig extends Partial<Access> {}
  interface FastifyRequest {
    actor: Actor | null
    role: Role
  }
}

export type GateParts = Readonly<{
  verifyToken: VerifyToken
  quotas: CountRequests | null
}>

/** What doors need of the quotas. */
export type CountRequests = Pick<Quotas, 'take'>

/**
 * Makes what stands before a route: it finds out who asks, counts the request, and asks the policy.
 * Runs before the body is read, so that nobody makes us parse what we would refuse anyway.
 */
export function gateFor(parts: GateParts, route: Pick<RouteOptions, 'method'>, access: Access) {
  const { action, owner } = access
  const quota = access.quota === undefined ? quotaOf(route) : access.quota
  const open = may('anyone', action)

  async function enter(request: FastifyRequest, reply: FastifyReply): Promise<void> {
    // What is open to all ignores tokens: an expired one must not keep its owner from signing in.
    const actor = open ? null : await identify(parts, request.headers.authorization)
    const known = actor instanceof AppError ? null : actor
    const caller = known ? nameOf(known) : networkOf(request.ip)
    const tooMany = await count(parts.quotas, quota, caller, reply)
    if (tooMany) throw tooMany
    if (actor instanceof AppError) throw actor
    request.actor = actor
    request.role = open ? 'anyone' : roleFor(action, actor, whose(actor, owner, request))
  }
  return enter
}

/** Counts a request that no route has taken. Returns the refusal if it is one too many. */
export async function countStray(
  quotas: CountRequests | null,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<AppError | null> {
  return await count(quotas, 'reads', networkOf(request.ip), reply)
}

/** The user who asks, on a route that is not open to anyone. */
export function callerOf(request: FastifyRequest): UserId {
  return personOf(request).userId
}

/** The caller's session. @throws AppError `action_forbidden` when it is an outside issuer's. */
export function sessionOf(
  request: FastifyRequest,
): Readonly<{ userId: UserId; sessionId: SessionId }> {
  const { userId, sessionId } = personOf(request)
  if (sessionId === null) {
    throw new AppError('action_forbidden', { why: 'the session is another issuer’s' })
  }
  return { userId, sessionId }
}

/** Whoever asks on a route for staff, as it is written down. */
export function staffOf(request: FastifyRequest): Staff {
  const { actor } = request
  if (!actor) throw new AppError('unauthenticated')
  return { ...placeOf(request), name: nameOf(actor), clientId: actor.clientId }
}

/** Whoever asks, in words for operators. */
function nameOf(actor: Actor): string {
  return actor.kind === 'user' ? actor.userId : `client ${actor.clientId}`
}

function personOf(request: FastifyRequest) {
  const { actor } = request
  if (!actor) throw new AppError('unauthenticated')
  if (actor.kind === 'service') throw new AppError('action_forbidden')
  return actor
}

/**
 * For routes that do one thing or another: whether the app may do this one too.
 *
 * @throws AppError `scope_insufficient`
 */
export function requireScope(request: FastifyRequest, action: Action): void {
  const missing = request.actor && missingScope(request.actor, request.role, action)
  if (missing) throw missing
}

/** Whether the caller has shown a factor as lately as the action asks. */
export function freshnessFor(
  request: FastifyRequest,
  action: Action,
  clock: Clock,
): Readonly<{ fresh: boolean }> {
  return { fresh: !mustBeFresh(action) || isFresh(personOf(request), clock.now()) }
}

async function count(
  quotas: CountRequests | null,
  name: QuotaName | null,
  caller: string,
  reply: FastifyReply,
): Promise<AppError | null> {
  if (!quotas) return null
  const share = await quotas.take(name ?? 'reads', caller, name === null ? 0 : 1)
  reply.header('ratelimit', share.limit).header('ratelimit-policy', share.policy)
  return share.refusal
}

function quotaOf({ method }: Pick<RouteOptions, 'method'>): QuotaName {
  return method === 'GET' || method === 'HEAD' ? 'reads' : 'writes'
}

const bearer = /^bearer +([\w\-.~+/]+=*)$/i

/**
 * A token that is refused must still be counted, so the refusal is handed back, not thrown.
 * @see RFC 6750 section 2.1
 */
async function identify(
  { verifyToken }: GateParts,
  header: string | undefined,
): Promise<Actor | AppError | null> {
  if (header === undefined) return null
  const token = bearer.exec(header)?.[1]
  if (token === undefined) return new AppError('token_invalid')
  try {
    return await verifyToken(token)
  } catch (error) {
    if (error instanceof AppError) return error
    throw error
  }
}

/**
 * Whose things are asked for: the caller's own, or others'.
 *
 * @throws AppError `user_unknown`; `action_forbidden` for a service, which has nothing of its own.
 */
function whose(
  actor: Actor | null,
  owner: Access['owner'],
  request: FastifyRequest,
): 'own' | 'others' {
  if (!actor) return 'others'
  if (owner === undefined) {
    if (actor.kind === 'service') throw new AppError('action_forbidden')
    return 'own'
  }
  const text = (request.params as Readonly<Record<string, string>>)[owner]
  const id = parseId('user', text ?? '')
  if (!id) throw new AppError('user_unknown')
  return actor.kind === 'user' && id === actor.userId ? 'own' : 'others'
}

/**
 * As what the caller does it.
 *
 * @throws AppError `unauthenticated`, `not_yours`, `action_forbidden`, `scope_insufficient`.
 */
function roleFor(action: Action, actor: Actor | null, things: 'own' | 'others'): Role {
  if (!actor) throw new AppError('unauthenticated')
  const role = things === 'own' ? 'self' : roleAmongOthers(actor)
  if (!may(role, action)) {
    const stranger = role === 'stranger' && actor.kind === 'user'
    throw new AppError(stranger ? 'not_yours' : 'action_forbidden')
  }
  const missing = missingScope(actor, role, action)
  if (!missing) return role
  // Staff whose app has no scope of theirs are strangers, as all are.
  const stranger = role !== 'self' && may('stranger', action)
  if (stranger && !missingScope(actor, 'stranger', action)) return 'stranger'
  throw missing
}

function missingScope(actor: Actor, role: Role, action: Action): AppError | null {
  const scope = scopeFor(role, action)
  if (scope === null || actor.scopes.has(scope)) return null
  return new AppError('scope_insufficient', { scope })
}
