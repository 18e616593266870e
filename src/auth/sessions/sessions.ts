import type { Pool } from '../../db/pool.ts'
import type { Queryable } from '../../db/query.ts'
import { inTransaction } from '../../db/tx.ts'
import { AppError } from '../../errors.ts'
import { newId, printId } from '../../ids/ids.ts'
import type { SessionId, UserId } from '../../ids/ids.ts'
import { customerScopes, staffScopes } from '../../scopes.ts'
import type { StaffRole } from '../../scopes.ts'
import { after, DAY, SECOND } from '../../time.ts'
import type { Clock, Micros } from '../../time.ts'
import { findUser } from '../../users/find.ts'
import { lockUser } from '../../users/store.ts'
import type { Directory } from '../directory.ts'
import type { Recorder, Whence } from '../guard/record.ts'
import type { AccessToken, IssueToken } from '../tokens.ts'
import { digestOfRefreshToken, makeRefreshToken, ownerOfRefreshToken } from './refresh-token.ts'
import { standingOrLess } from './standing.ts'
import * as store from './store.ts'
import type { OpenSession, Whose } from './store.ts'
import { transaction } from '../transaction.ts'

/** Refreshing does not move it: after two weeks everyone signs in again. */
const SESSION_LIVES = 14n * DAY
/**
 * Two tabs may refresh with one token at the same moment. The loser is refused, but within this
 * time that is not taken for a thief.
 */
export const REUSE_TOLERANCE = 10n * SECOND
/** More than anybody has devices. */
export const SESSIONS_MAX = 100
/** Sessions begun by name and password at the API, without the provider's pages. */
export const PASSWORD_CLIENT = 'password'

/** Who begins a session, with what, and where. */
export type Beginning = Readonly<{
  userId: UserId
  clientId: string
  /** The factors that were shown. @see RFC 8176 */
  methods: readonly string[]
  network: string | null
  device: string | null
  /** When the first of them was asked for. */
  authenticatedAt: Micros
  /** The provider's own session in that browser. */
  browserId: string | null
}>

/** `expiresIn` is the access token's life in seconds. */
export type SessionTokens = AccessToken & Readonly<{ refreshToken: string; userId: UserId }>

export type Shown = Readonly<{ methods: readonly string[]; at: Micros }>

export type Sessions = Readonly<{
  /** Begins a session that somebody has just signed in to, without tokens yet. */
  open: (beginning: Beginning) => Promise<SessionId>
  /** Begins a session, with its first tokens. */
  begin: (beginning: Beginning) => Promise<SessionTokens>
  /**
   * Trades a refresh token for a new pair. A token that was used before, unless just now, ends the
   * whole session, for then either we or a thief hold a stolen one. That is written down.
   *
   * @throws AppError `refresh_token_invalid`
   */
  refresh: (refreshToken: string, whence: Whence) => Promise<SessionTokens>
  /**
   * Notes that a factor was shown again, and gives an access token that says so.
   *
   * @throws AppError `refresh_token_invalid` when the session has ended; `action_forbidden` for one
   * that an app began at the provider: it asks there, with `max_age`.
   */
  renew: (whose: Whose, methods: readonly string[]) => Promise<AccessToken>
  /** Notes that factors were shown again at a time; of a session that has ended, nothing. */
  note: (whose: Whose, shown: Shown) => Promise<void>
  /** What tokens of an open session say; `null` when it has ended, or its user may not go on. */
  claimsOf: (whose: Whose) => Promise<SessionClaims | null>
  /** Whether the user is neither closed nor kept out by the directory. */
  mayGoOn: (userId: UserId) => Promise<boolean>
  /** Notes that a session was used just now, as its owner sees it in the list. */
  touch: (whose: Whose) => Promise<void>
  list: (userId: UserId) => Promise<readonly OpenSession[]>
  /** Ends a session with its tokens; true when it was open. */
  end: (whose: Whose) => Promise<boolean>
  /** Ends all of a user's sessions, but for those of the browser that stays. Gives their number. */
  endAll: (tx: Queryable, userId: UserId, stays: string | null) => Promise<number>
  /**
   * When that browser, or where none is known anybody, was last signed out; `null`: never.
   *
   * @throws AppError `credentials_invalid` when that was after what was shown.
   */
  requireSince: (shown: ShownIn) => Promise<Micros | null>
  /**
   * Ends the sessions that began in that browser: all, or those of one app while the others go on.
   * The browser itself is signed out, or that app would be back at once. Gives their number.
   */
  endIn: (browser: Browser, clientId: string | null) => Promise<number>
}>

type Browser = Readonly<{ userId: UserId; browserId: string }>

export type ShownIn = Readonly<{ userId: UserId; browserId: string | null; at: Micros }>

export type SessionClaims = Readonly<{
  clientId: string
  authenticatedAt: Micros
  methods: readonly string[]
  roles: readonly StaffRole[]
}>

export type SessionParts = Readonly<{
  pool: Pool
  directory: Directory
  issueToken: IssueToken
  /** How long an access token lives: what is revoked is remembered for so long. */
  tokenTtlSeconds: number
  clock: Clock
  record: Recorder
}>

/** Sessions in the tables `session` and `refresh_token`; a session is the family of its tokens. */
export function createSessions(parts: SessionParts): Sessions {
  const { pool, directory, issueToken, clock, record } = parts
  const standing = standingOrLess(directory, clock)
  const tokensLive = BigInt(parts.tokenTtlSeconds) * SECOND

  /**
   * Beginnings and endings of one user's sessions wait for each other here, and nowhere later: each
   * then finds what the one before has left, and none holds what another needs.
   */
  async function inTurn<T>(userId: UserId, work: (tx: Queryable) => Promise<T>): Promise<T> {
    const locked = async (tx: Queryable): Promise<T> => {
      await lockUser(tx, userId)
      return await work(tx)
    }
    return await inTransaction(pool, locked, transaction)
  }

  /** The user's row must be locked. */
  async function insert(tx: Queryable, beginning: Beginning): Promise<SessionId> {
    const now = clock.now()
    const { userId, browserId, authenticatedAt } = beginning
    const sessionId = newId('sess')
    await requireSince({ userId, browserId, at: authenticatedAt }, tx)
    await store.deleteEndedSessions(tx, userId, now)
    await endSurplus(tx, userId)
    const expiresAt = after(now, SESSION_LIVES)
    await store.insertSession(tx, { ...beginning, sessionId, now, expiresAt })
    return sessionId
  }

  /** Room for one more: those that were used longest ago go. */
  async function endSurplus(tx: Queryable, userId: UserId): Promise<void> {
    const open = await store.readSessions(tx, userId, clock.now())
    const surplus = open.slice(SESSIONS_MAX - 1).map(({ sessionId }) => sessionId)
    await store.revokeSessions(tx, revoking(userId, surplus))
  }

  async function begin(beginning: Beginning): Promise<SessionTokens> {
    const { userId } = beginning
    const { sessionId, refreshToken } = await inTurn(userId, async (tx) => {
      const sessionId = await insert(tx, beginning)
      const token = await addToken(tx, { userId, sessionId, now: clock.now() })
      return { sessionId, refreshToken: token }
    })
    return { ...(await issue({ userId, sessionId })), refreshToken, userId }
  }

  async function claimsOf({ userId, sessionId }: Whose): Promise<SessionClaims | null> {
    const session = await store.readSession(pool, { userId, sessionId, now: clock.now() })
    const { open, roles } = session ? await standingOf(userId) : nowhere
    return session && open ? { ...session, roles } : null
  }

  async function standingOf(userId: UserId): ReturnType<Directory['standing']> {
    const user = await findUser(pool, userId)
    if (!user || user.status === 'closed') return nowhere
    return await standing(userId)
  }

  /** @throws AppError `refresh_token_invalid` */
  async function issue(whose: Whose): Promise<AccessToken> {
    const claims = await claimsOf(whose)
    if (!claims) throw new AppError('refresh_token_invalid')
    return await sign(whose, claims)
  }

  /** For our own door alone, which may do all that its customer may. */
  async function sign(whose: Whose, claims: SessionClaims): Promise<AccessToken> {
    const scopes = claims.roles.length > 0 ? [...customerScopes, ...staffScopes] : customerScopes
    return await issueToken({ ...whose, ...claims, scopes })
  }

  async function refresh(token: string, whence: Whence): Promise<SessionTokens> {
    const userId = ownerOfRefreshToken(token)
    if (!userId) throw new AppError('refresh_token_invalid')
    const digest = digestOfRefreshToken(token)
    const now = clock.now()
    const stored = await store.readRefreshToken(pool, userId, digest)
    // Asked before the token is used up: when nobody can say, it is as good as it was.
    const claims = stored && (await claimsOf({ userId, sessionId: stored.sessionId }))
    const next = await inTransaction(
      pool,
      async (tx) => {
        const sessionId = claims && (await store.consumeRefreshToken(tx, { userId, digest, now }))
        if (!sessionId) return null
        await store.touchSession(tx, { userId, sessionId, now })
        return { sessionId, refreshToken: await addToken(tx, { userId, sessionId, now }) }
      },
      transaction,
    )
    if (!next || !claims) {
      await endReused({ userId, digest, now }, whence)
      throw new AppError('refresh_token_invalid')
    }
    const issued = await sign({ userId, sessionId: next.sessionId }, claims)
    return { ...issued, refreshToken: next.refreshToken, userId }
  }

  /** Not part of a transaction that is then refused: the end of the session must stay. */
  async function endReused(
    { userId, digest, now }: Readonly<{ userId: UserId; digest: Buffer; now: Micros }>,
    whence: Whence,
  ): Promise<void> {
    const stored = await store.readRefreshToken(pool, userId, digest)
    if (!stored || stored.usedAt === null || now - stored.usedAt <= REUSE_TOLERANCE) return
    const { sessionId } = stored
    const facts = { session: printId('sess', sessionId) }
    await inTurn(userId, async (tx) => {
      // Once: whoever brings it again after that ends nothing more.
      if ((await store.revokeSessions(tx, revoking(userId, [sessionId]))) === 0) return
      await record({ ...whence, userId, kind: 'refresh_reused', outcome: 'refused', facts }, tx)
    })
  }

  async function note(whose: Whose, shown: Shown): Promise<void> {
    await store.renewSession(pool, { ...whose, ...shown, now: clock.now() })
  }

  async function renew(whose: Whose, methods: readonly string[]): Promise<AccessToken> {
    const session = await store.readSession(pool, { ...whose, now: clock.now() })
    if (!session) throw new AppError('refresh_token_invalid')
    // An app has what its customer allowed it, and gets its tokens from the provider alone.
    if (session.clientId !== PASSWORD_CLIENT) throw new AppError('action_forbidden')
    await note(whose, { methods, at: clock.now() })
    return await issue(whose)
  }

  async function end({ userId, sessionId }: Whose): Promise<boolean> {
    return await inTurn(userId, async (tx) => {
      return (await store.revokeSessions(tx, revoking(userId, [sessionId]))) > 0
    })
  }

  async function endIn({ userId, browserId }: Browser, clientId: string | null): Promise<number> {
    const isMeant = (session: OpenSession): boolean =>
      session.browserId === browserId && (clientId === null || session.clientId === clientId)
    return await inTurn(userId, async (tx) => {
      const open = await store.readSessions(tx, userId, clock.now())
      const ids = open.filter(isMeant).map(({ sessionId }) => sessionId)
      return await store.revokeSessions(tx, revoking(userId, ids))
    })
  }

  function revoking(userId: UserId, sessionIds: readonly SessionId[]) {
    const now = clock.now()
    return { userId, sessionIds, now, until: after(now, tokensLive + REUSE_TOLERANCE) }
  }

  return {
    open: async (beginning) =>
      await inTurn(beginning.userId, async (tx) => await insert(tx, beginning)),
    begin,
    refresh,
    renew,
    note,
    claimsOf,
    mayGoOn: async (userId) => (await standingOf(userId)).open,
    touch: async (whose) => await store.touchSession(pool, { ...whose, now: clock.now() }),
    list: async (userId) => await store.readSessions(pool, userId, clock.now()),
    end,
    endAll: async (tx, userId, stays) => {
      const { now, until } = revoking(userId, [])
      return await store.signOutEverywhere(tx, { userId, stays, now, until })
    },
    requireSince: async (shown) => await requireSince(shown, pool),
    endIn,
  }
}

/** The standing of who may not go on. */
const nowhere = { open: false, roles: [] } as const

/** @see Sessions.requireSince */
async function requireSince({ userId, browserId, at }: ShownIn, db: Queryable) {
  const ended = await store.signedOutAt(db, userId, browserId)
  if (ended !== null && at <= ended) throw new AppError('credentials_invalid')
  return ended
}

async function addToken(
  tx: Queryable,
  ask: Readonly<{ userId: UserId; sessionId: SessionId; now: Micros }>,
): Promise<string> {
  const token = makeRefreshToken(ask.userId)
  await store.insertRefreshToken(tx, { ...ask, digest: digestOfRefreshToken(token) })
  return token
}
