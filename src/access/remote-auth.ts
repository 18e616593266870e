import { AppError, errorCodes } from '../errors.ts'
import type { ErrorCode, Facts } from '../errors.ts'
import { printId } from '../ids/ids.ts'
import type { SessionId, UserId } from '../ids/ids.ts'
import type { AuthLayer } from './auth-layer.ts'

/** Longer than a sign-in waits for its turn to be hashed. */
const ANSWER_WITHIN_MS = 10_000

/** The auth layer in a process of its own, asked over its back door. */
export function createRemoteAuth(url: string, secret: string): AuthLayer {
  async function ask<T>(what: string, body: object): Promise<T> {
    const answer = await post(`${url}/back/${what}`, secret, body)
    if (answer.ok) return (await answer.json()) as T
    throw await refusalIn(answer)
  }

  return {
    signUp: async (signUp, key, place) => await ask('sign-up', { ask: signUp, key, place }),
    signIn: async (signIn, place) => await ask('sign-in', { ask: signIn, place }),
    refresh: async (refreshToken, place) => await ask('refresh', { refreshToken, place }),
    stepUp: async (caller, factor, place) =>
      await ask('step-up', { caller: named(caller), ask: factor, place }),
    signOut: async (caller, place) => {
      await ask('sign-out', { caller: named(caller), place })
    },
  }
}

function named({ userId, sessionId }: Readonly<{ userId: UserId; sessionId: SessionId }>) {
  return { userId: printId('user', userId), sessionId: printId('sess', sessionId) }
}

/**
 * A lost answer may hide that it was done. A sign-in, a sign-out and a sign-up with its key may be
 * asked for again. Without a key the contacts are taken by then, and a refresh token or a code is
 * used up: its caller signs in, or takes the next code.
 */
async function post(url: string, secret: string, body: object): Promise<Response> {
  try {
    return await fetch(url, {
      method: 'POST',
      headers: { authorization: `Bearer ${secret}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
      redirect: 'error',
      signal: AbortSignal.timeout(ANSWER_WITHIN_MS),
    })
  } catch (cause) {
    throw new AppError('auth_unavailable', {}, { cause })
  }
}

async function refusalIn(answer: Response): Promise<Error> {
  const told = (await answer.json().catch(() => null)) as { code?: string; facts?: Facts } | null
  const code = errorCodes.find((known): known is ErrorCode => known === told?.code)
  if (code !== undefined) return new AppError(code, told?.facts ?? {})
  if (answer.status >= 500) return new AppError('auth_unavailable', {}, { cause: answer.status })
  return new Error(`The auth layer answered ${answer.status}, which no server should meet`)
}
