import type { Pool } from '../db/pool.ts'
import type { Queryable } from '../db/query.ts'
import { inTransaction } from '../db/tx.ts'
import { AppError } from '../errors.ts'
import { newId } from '../ids/ids.ts'
import type { SessionId, UserId } from '../ids/ids.ts'
import { after, DAY, SECOND } from '../time.ts'
import type { Clock, Micros } from '../time.ts'
import { findUser } from '../users/find.ts'
import { loginForm } from '../users/names.ts'
import type { Directory } from './directory.ts'
import { digestOfRefreshToken, makeRefreshToken, ownerOfRefreshToken } from './refresh-token.ts'
import {
  consumeRefreshToken,
  deleteEndedSessions,
  insertRefreshToken,
  insertSession,
  readRefreshToken,
  revokeSession,
} from './store.ts'
import type { Throttle } from './throttle.ts'
import type { Actor, IssueToken } from './tokens.ts'

/** Refreshing does not move it: after two weeks everyone signs in again. */
const SESSION_LIVES = 14n * DAY
/**
 * Two tabs may refresh with one token at the same moment. The loser is refused, but within this
 * time that is not taken for a thief.
 */
const TOLERANCE = 10n * SECOND
const transaction = { lockTimeoutMs: 2_000 }

/** `expiresIn` is the access token's life in seconds. */
export type SessionTokens = Readonly<{
  accessToken: string
  refreshToken: string
  expiresIn: number
  userId: UserId
}>

/** `address` is the client's, or for IPv6 its /64 network: what nobody changes at will. */
export type SignIn = Readonly<{ login: string; password: string; address: string }>

export type Sessions = Readonly<{
  /**
   * Begins a session.
   *
   * @throws AppError `credentials_invalid` for an unknown login, a wrong password and a closed
   * user alike; `rate_limited`, `overloaded`.
   */
  signIn: (ask: SignIn) => Promise<SessionTokens>
  /**
   * Trades a refresh token for a new pair. A token that was used before, unless just now, ends the
   * whole session, for then either we or a thief hold a stolen one. Access tokens of an ended
   * session live on until their own end, at most five minutes.
   *
   * @throws AppError `refresh_token_invalid`
   */
  refresh: (refreshToken: string) => Promise<SessionTokens>
  /** Ends the session; a second time changes nothing. Its access tokens live on, as above. */
  signOut: (actor: Pick<Actor, 'userId' | 'sessionId'>) => Promise<void>
}>

export type SessionParts = Readonly<{
  pool: Pool
  directory: Directory
  issueToken: IssueToken
  throttle: Throttle
  clock: Clock
}>

/** Sessions in the tables `session` and `refresh_token`; a session is the family of its tokens. */
export function createSessions(parts: SessionParts): Sessions {
  const { pool, directory, issueToken, throttle, clock } = parts

  async function signIn({ login, password, address }: SignIn): Promise<SessionTokens> {
    // What can be no login shares one name: it is never right, so nobody is kept out.
    const guesser = { login: loginForm(login) ?? '', network: address }
    const userId = await throttle(guesser, async () => await directory.verify(login, password))
    if (!userId) throw new AppError('credentials_invalid')

    const now = clock.now()
    const sessionId = newId('sess')
    const refreshToken = await inTransaction(
      pool,
      async (tx) => {
        await deleteEndedSessions(tx, userId, now)
        await insertSession(tx, { userId, sessionId, now, expiresAt: after(now, SESSION_LIVES) })
        return await addToken(tx, { userId, sessionId, now })
      },
      transaction,
    )
    return { ...(await issueToken({ userId, sessionId })), refreshToken, userId }
  }

  async function refresh(token: string): Promise<SessionTokens> {
    const userId = ownerOfRefreshToken(token)
    if (!userId) throw new AppError('refresh_token_invalid')
    const digest = digestOfRefreshToken(token)
    const now = clock.now()
    const next = await inTransaction(
      pool,
      async (tx) => {
        const sessionId = await consumeRefreshToken(tx, { userId, digest, now })
        if (!sessionId) return null
        const user = await findUser(tx, userId)
        if (!user || user.status === 'closed') throw new AppError('refresh_token_invalid')
        return { sessionId, refreshToken: await addToken(tx, { userId, sessionId, now }) }
      },
      transaction,
    )
    if (!next) {
      await endReused(userId, digest, now)
      throw new AppError('refresh_token_invalid')
    }
    const issued = await issueToken({ userId, sessionId: next.sessionId })
    return { ...issued, refreshToken: next.refreshToken, userId }
  }

  /** Not part of a transaction that is then refused: the end of the session must stay. */
  async function endReused(userId: UserId, digest: Buffer, now: Micros): Promise<void> {
    const stored = await readRefreshToken(pool, userId, digest)
    if (!stored || stored.usedAt === null || now - stored.usedAt <= TOLERANCE) return
    await revokeSession(pool, { userId, sessionId: stored.sessionId, now })
  }

  return {
    signIn,
    refresh,
    signOut: async ({ userId, sessionId }) => {
      await revokeSession(pool, { userId, sessionId, now: clock.now() })
    },
  }
}

async function addToken(
  tx: Queryable,
  ask: Readonly<{ userId: UserId; sessionId: SessionId; now: Micros }>,
): Promise<string> {
  const token = makeRefreshToken(ask.userId)
  await insertRefreshToken(tx, { ...ask, digest: digestOfRefreshToken(token) })
  return token
}
