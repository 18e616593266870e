import type { FastifyReply, FastifyRequest } from 'fastify'
import { errors } from 'oidc-provider'
import type { Provider } from 'oidc-provider'
import type { Whence } from '../../auth/guard/record.ts'
import { AppError } from '../../errors.ts'
import { parseId, printId } from '../../ids/ids.ts'
import type { UserId } from '../../ids/ids.ts'
import { placeOf } from '../../network.ts'
import { problems } from '../../problems.ts'
import { SECOND } from '../../time.ts'
import type { Micros } from '../../time.ts'

/** A sign-in on its way, as the library keeps it; bound to one browser by a cookie. */
export type Interaction = Awaited<ReturnType<Provider['interactionDetails']>>

/**
 * What was shown so far, of someone who must show or change more. It opens nothing. `methods` are
 * all that a session may claim; null: a second factor is still to come.
 */
export type Pending = Readonly<{
  userId: UserId
  expired: boolean
  methods: readonly string[] | null
  /** When the first of them was asked for. */
  at: Micros
}>

export function whenceOf({ ip, headers }: FastifyRequest, clientId: string | null): Whence {
  return { ...placeOf(ip, headers['user-agent']), clientId }
}

/** @throws AppError `route_unknown` when it is over, or belongs to another browser. */
export async function interactionOf(
  provider: Provider,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<Interaction> {
  try {
    return await provider.interactionDetails(request.raw, reply.raw)
  } catch (cause) {
    if (!(cause instanceof errors.SessionNotFound)) throw cause
    throw new AppError('route_unknown', {}, { cause })
  }
}

export function clientIdOf({ params }: Interaction): string {
  return String(params['client_id'])
}

/** Remembers the first step, under a name that the library does not take for a sign-in. */
export async function keepPending(interaction: Interaction, pending: Pending): Promise<void> {
  const { userId, at } = pending
  const kept = { ...pending, userId: printId('user', userId), at: String(at) }
  interaction.result = { pending: kept }
  await interaction.persist()
}

export function pendingOf({ result }: Interaction): Pending | null {
  type Kept = Omit<Pending, 'userId' | 'at'> & Readonly<{ userId: string; at: string }>
  const pending = result?.['pending'] as Kept | undefined
  const userId = pending ? parseId('user', pending.userId) : null
  return pending && userId ? { ...pending, userId, at: BigInt(pending.at) as Micros } : null
}

/** Signs somebody in: the library goes on with what their app asked for. */
export async function signedIn(
  provider: Provider,
  request: FastifyRequest,
  reply: FastifyReply,
  shown: Readonly<{ userId: UserId; methods: readonly string[]; now: Micros }>,
): Promise<string> {
  const { userId, methods } = shown
  const login = {
    accountId: printId('user', userId),
    amr: [...methods],
    ts: Number(shown.now / SECOND),
  }
  const once = { mergeWithLastSubmission: false }
  return await provider.interactionResult(request.raw, reply.raw, { login }, once)
}

/** What a page says about a refusal that its reader can mend; anything else is thrown on. */
export function sentenceFor(error: unknown, mendable: readonly AppError['code'][]): string {
  if (!(error instanceof AppError) || !mendable.includes(error.code)) throw error
  const { why, retryAfterSeconds } = error.facts
  if (error.code === 'password_refused') return `This password ${String(why)}.`
  if (error.code !== 'rate_limited' || typeof retryAfterSeconds !== 'number') {
    return problems[error.code].sentence
  }
  return `That was a little too often. Please try again in ${inWords(retryAfterSeconds)}.`
}

function inWords(seconds: number): string {
  const minutes = Math.ceil(seconds / 60)
  if (minutes <= 1) return 'a minute'
  return minutes <= 90 ? `${minutes} minutes` : `${Math.ceil(minutes / 60)} hours`
}
