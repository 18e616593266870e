import { AppError, errorCodes } from '../errors.ts'
import type { ErrorCode, Facts } from '../errors.ts'
import { printId } from '../ids/ids.ts'
import type { SessionId, UserId } from '../ids/ids.ts'
import type { AuthLayer } from './auth-layer.ts'
import { NotSent, post } from './back-door.ts'
import type { Said } from './back-door.ts'

/**
 * The auth layer in a process of its own, asked over its back door.
 *
 * @param urls Ways to it, asked in turn: whoever answered last is asked first.
 */
export function createRemoteAuth(urls: readonly string[], secret: string): AuthLayer {
  let first = 0

  /**
   * Where nobody is, nothing was sent, and the next one is asked. What broke off may hide that it
   * was done. A sign-in, a sign-out and a sign-up with its key may be asked for again by the
   * caller. Without a key the contacts are taken by then, and a refresh token or a code is used
   * up: its caller signs in, or takes the next code.
   */
  async function hear(path: string, body: object): Promise<Said> {
    const causes: unknown[] = []
    const begin = first
    for (let turn = 0; turn < urls.length; turn += 1) {
      const at = (begin + turn) % urls.length
      try {
        const said = await post(new URL(path, urls[at]), secret, body)
        first = at
        return said
      } catch (cause) {
        causes.push(cause)
        first = (at + 1) % urls.length
        if (!(cause instanceof NotSent)) break
      }
    }
    throw new AppError('auth_unavailable', {}, { cause: causes.at(-1) })
  }

  async function ask<T>(what: string, body: object): Promise<T> {
    const said = await hear(`/back/${what}`, body)
    if (said.status >= 200 && said.status < 300) return JSON.parse(said.text) as T
    throw refusalIn(said)
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

function refusalIn({ status, text }: Said): Error {
  const told = parse(text)
  const code = errorCodes.find((known): known is ErrorCode => known === told?.code)
  if (code !== undefined) return new AppError(code, told?.facts ?? {})
  if (status >= 500) return new AppError('auth_unavailable', {}, { cause: status })
  return new Error(`The auth layer answered ${status}, which no server should meet`)
}

/** Null for what is not the auth layer's own: a balancer speaks for it at times. */
function parse(text: string): { code?: string; facts?: Facts } | null {
  try {
    return JSON.parse(text) as { code?: string; facts?: Facts } | null
  } catch {
    return null
  }
}
