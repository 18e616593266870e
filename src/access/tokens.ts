import { LRUCache } from 'lru-cache'
import { decodeJwt, errors, jwtVerify } from 'jose'
import { AppError } from '../errors.ts'
import type { UserId } from '../ids/ids.ts'
import { after, AHEAD_MAX, DAY, SECOND, toDate } from '../time.ts'
import type { Clock, Micros } from '../time.ts'
import type { Actor } from './actor.ts'
import type { DenyList } from './deny-list.ts'
import type { Bearer, Issuer, Outsider } from './issuers.ts'

/** Ours have some 600 characters, others' with many roles a few thousand. */
const TOKEN_MAX = 8_192
/** Stricter than the decoder, which skips spaces: one token, one text. @see RFC 7515 section 7.1 */
const compact = /^[\w-]+\.[\w-]+\.[\w-]+$/
/** Ours fill some 25 MB; whoever's tokens are longer has fewer of them remembered. */
const CACHED_MAX = 20_000
const CACHED_CHARACTERS_MAX = 40_000_000
const CACHED_FOR = 60n * SECOND
/** What was revoked longer ago need not be known: see `readRevocations`. */
const LIVES_MAX = DAY
export type VerifierParts = Readonly<{
  issuers: readonly Issuer[]
  /** What was ended before its time. */
  denies: DenyList['denies']
  /** Finds the user that is an outsider, or opens one. @throws AppError `action_forbidden` */
  customerOf: (outsider: Outsider) => Promise<UserId>
  clock: Clock
}>

export type VerifyToken = (token: string) => Promise<Actor>

type Cached = Readonly<{ actor: Actor; until: Micros }>

/**
 * Finds out who an access token speaks for. A token that passed is remembered by its text for a
 * minute, though never beyond its end, so that its next use costs a look-up and no signature.
 * Whether it was revoked is asked each time.
 *
 * @throws AppError `token_invalid`, with why `expired` or `revoked` when that is all that is wrong
 * with it; `issuer_unavailable` when its key is unknown and the issuer's cannot be read;
 * `database_unavailable` when nobody knows what was revoked.
 * @see RFC 8725, RFC 9068 section 4
 */
export function createVerifier(parts: VerifierParts): VerifyToken {
  const { clock, denies } = parts
  const issuers = new Map(parts.issuers.map((issuer) => [issuer.issuer, issuer]))
  const cache = new LRUCache<string, Cached>({
    max: CACHED_MAX,
    maxSize: CACHED_CHARACTERS_MAX,
    sizeCalculation: (_cached, token) => token.length,
  })

  async function learn(token: string, now: Micros): Promise<Actor> {
    const actor = await actorOf(await check(token, issuers, now), parts)
    const until = after(now, CACHED_FOR)
    cache.set(token, { actor, until: until < actor.expiresAt ? until : actor.expiresAt })
    return actor
  }

  return async (token) => {
    const now = clock.now()
    const cached = cache.get(token)
    const actor = cached && now < cached.until ? cached.actor : await learn(token, now)
    if (denies(actor)) throw new AppError('token_invalid', { why: 'revoked' })
    return actor
  }
}

async function actorOf(bearer: Bearer, { customerOf }: VerifierParts): Promise<Actor> {
  if (bearer.kind === 'service') return bearer
  const { whose, ...person } = bearer
  return { ...person, userId: typeof whose === 'string' ? whose : await customerOf(whose) }
}

async function check(
  token: string,
  issuers: ReadonlyMap<string, Issuer>,
  now: Micros,
): Promise<Bearer> {
  const issuer = issuerOf(token, issuers)
  const { algorithms, typ, audience, skewSeconds, keyOf } = issuer
  const rules = { algorithms: [...algorithms], typ, issuer: issuer.issuer, audience }
  try {
    const { payload } = await jwtVerify(token, async (header) => known(await keyOf(header)), {
      ...rules,
      requiredClaims: ['sub', 'iat', 'exp'],
      clockTolerance: skewSeconds,
      currentDate: toDate(now),
    })
    // A token that is bound to its holder's key is worth nothing without that proof.
    const bearer = 'cnf' in payload ? null : issuer.read(payload)
    if (!bearer || !isInTime(bearer, now)) throw new AppError('token_invalid')
    return bearer
  } catch (error) {
    // Claims are read only once the signature holds: `expired` tells nothing to a forger.
    if (error instanceof errors.JWTExpired) throw new AppError('token_invalid', { why: 'expired' })
    if (error instanceof errors.JOSEError) throw new AppError('token_invalid')
    throw error
  }
}

function isInTime({ issuedAt, expiresAt }: Bearer, now: Micros): boolean {
  return issuedAt <= after(now, AHEAD_MAX) && expiresAt <= after(issuedAt, LIVES_MAX)
}

/** What a token says of its issuer is believed for one thing: to choose the row it must pass. */
function issuerOf(token: string, issuers: ReadonlyMap<string, Issuer>): Issuer {
  if (token.length > TOKEN_MAX || !compact.test(token)) throw new AppError('token_invalid')
  let named: unknown
  try {
    named = decodeJwt(token).iss
  } catch (error) {
    if (!(error instanceof errors.JOSEError)) throw error
  }
  const issuer = typeof named === 'string' ? issuers.get(named) : undefined
  if (!issuer) throw new AppError('token_invalid')
  return issuer
}

function known<T>(key: T | null): T {
  if (key === null) throw new AppError('token_invalid')
  return key
}
