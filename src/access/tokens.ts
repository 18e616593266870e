import { LRUCache } from 'lru-cache'
import { errors, jwtVerify } from 'jose'
import type { JWTHeaderParameters, JWTPayload } from 'jose'
import { AppError } from '../errors.ts'
import { parseId } from '../ids/ids.ts'
import type { SessionId, UserId } from '../ids/ids.ts'
import { after, SECOND, toDate } from '../time.ts'
import type { Clock, Micros } from '../time.ts'
import type { TokenKeys } from '../token-keys.ts'

const TYPE = 'at+jwt'
const ALGORITHM = 'ES256'
const claims = ['sub', 'sid', 'jti', 'iat', 'exp']

/** Ours have some 500 characters. Longer texts are refused before anything is decoded. */
const TOKEN_MAX = 2_048
/** Stricter than the decoder, which skips spaces: one token, one text. @see RFC 7515 section 7.1 */
const compact = /^[\w-]+\.[\w-]+\.[\w-]+$/
/** About 25 MB when full. */
const CACHED_MAX = 20_000
const CACHED_FOR = 60n * SECOND

/** Who asks, as an access token says. */
export type Actor = Readonly<{ userId: UserId; sessionId: SessionId; expiresAt: Micros }>

export type VerifierParts = Readonly<{
  keys: TokenKeys
  issuer: string
  audience: string
  clock: Clock
}>

export type VerifyToken = (token: string) => Promise<Actor>

/**
 * Finds out who an access token speaks for. A token that passed is remembered by its text for a
 * minute, though never beyond its end, so that its next use costs a look-up and no signature.
 *
 * @throws AppError `token_invalid`, with why `expired` when that is all that is wrong with it.
 * @see RFC 8725, RFC 9068 section 4
 */
export function createVerifier(parts: VerifierParts): VerifyToken {
  const cache = new LRUCache<string, Readonly<{ actor: Actor; until: Micros }>>({ max: CACHED_MAX })

  return async (token) => {
    const now = parts.clock.now()
    const cached = cache.get(token)
    if (cached && now < cached.until) return cached.actor
    const actor = await check(token, parts, now)
    const until = after(now, CACHED_FOR)
    cache.set(token, { actor, until: until < actor.expiresAt ? until : actor.expiresAt })
    return actor
  }
}

async function check(
  token: string,
  { keys, issuer, audience }: VerifierParts,
  now: Micros,
): Promise<Actor> {
  if (token.length > TOKEN_MAX || !compact.test(token)) throw new AppError('token_invalid')
  const keyOf = ({ kid }: JWTHeaderParameters) => {
    const key = keys.verifying.get(kid ?? '')
    if (!key) throw new AppError('token_invalid')
    return key
  }
  const rules = { algorithms: [ALGORITHM], typ: TYPE, issuer, audience, requiredClaims: claims }
  try {
    const { payload } = await jwtVerify(token, keyOf, { ...rules, currentDate: toDate(now) })
    return toActor(payload)
  } catch (error) {
    // Claims are read only once the signature holds: `expired` tells nothing to a forger.
    if (error instanceof errors.JWTExpired) throw new AppError('token_invalid', { why: 'expired' })
    if (error instanceof errors.JOSEError) throw new AppError('token_invalid')
    throw error
  }
}

function toActor({ sub = '', sid, exp = 0 }: JWTPayload): Actor {
  const userId = parseId('user', sub)
  const sessionId = typeof sid === 'string' ? parseId('sess', sid) : null
  if (!userId || !sessionId) throw new AppError('token_invalid')
  return { userId, sessionId, expiresAt: (BigInt(Math.floor(exp)) * SECOND) as Micros }
}
