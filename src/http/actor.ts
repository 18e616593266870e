import type { FastifyReply, FastifyRequest, RouteOptions } from 'fastify'
import { may } from '../access/policy.ts'
import type { Action, Role } from '../access/policy.ts'
import type { Actor, VerifyToken } from '../access/tokens.ts'
import { AppError } from '../errors.ts'
import { parseId } from '../ids/ids.ts'
import type { UserId } from '../ids/ids.ts'
import { networkOf } from '../network.ts'
import type { QuotaName, Quotas } from './quotas.ts'

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
  quotas: Quotas | null
}>

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
    const caller = known?.userId ?? networkOf(request.ip)
    const tooMany = count(parts.quotas, quota, caller, reply)
    if (tooMany) throw tooMany
    if (actor instanceof AppError) throw actor
    request.actor = actor
    request.role = roleOf(actor, owner, request)
    if (!may(request.role, action)) throw refusal(request.role)
  }
  return enter
}

/** Counts a request that no route has taken. Returns the refusal if it is one too many. */
export function countStray(
  quotas: Quotas | null,
  request: FastifyRequest,
  reply: FastifyReply,
): AppError | null {
  return count(quotas, 'reads', networkOf(request.ip), reply)
}

/** Who asks, on a route that is not open to anyone. */
export function callerOf(request: FastifyRequest): UserId {
  return actorOf(request).userId
}

export function actorOf(request: FastifyRequest): Actor {
  if (!request.actor) throw new AppError('unauthenticated')
  return request.actor
}

function count(
  quotas: Quotas | null,
  name: QuotaName | null,
  caller: string,
  reply: FastifyReply,
): AppError | null {
  if (!quotas) return null
  const share = quotas.take(name ?? 'reads', caller, name === null ? 0 : 1)
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

/** @throws AppError `user_unknown` when the path names nobody. */
function roleOf(actor: Actor | null, owner: Access['owner'], request: FastifyRequest): Role {
  if (!actor) return 'anyone'
  if (owner === undefined) return 'self'
  const text = (request.params as Readonly<Record<string, string>>)[owner]
  const id = parseId('user', text ?? '')
  if (!id) throw new AppError('user_unknown')
  return id === actor.userId ? 'self' : 'stranger'
}

function refusal(role: Role): AppError {
  if (role === 'anyone') return new AppError('unauthenticated')
  return new AppError(role === 'stranger' ? 'not_yours' : 'action_forbidden')
}
