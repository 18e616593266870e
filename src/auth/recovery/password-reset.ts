import { setTimeout as sleep } from 'node:timers/promises'
import type { Session } from '../../db/query.ts'
import { inTransaction } from '../../db/tx.ts'
import { AppError } from '../../errors.ts'
import { NOBODY } from '../../ids/ids.ts'
import type { UserId } from '../../ids/ids.ts'
import { addJob } from '../../queue/jobs.ts'
import { after } from '../../time.ts'
import type { Micros } from '../../time.ts'
import { trustedEmail } from '../../users/code-recipient.ts'
import { findUser, userByLogin } from '../../users/find.ts'
import { lockUser } from '../../users/store.ts'
import type { User } from '../../users/user.ts'
import { passwordRefusal } from '../directories/password-rules.ts'
import { needsSecond } from '../factors/second-factors.ts'
import type { Whence } from '../guard/record.ts'
import { guesserOf } from '../guard/throttle.ts'
import { CLOCKS_APART, endTickets, OWN_TICKET_LIVES } from '../tickets/own.ts'
import { deleteTickets, insertOnlyTicket, readTicket, takeTicket } from '../tickets/store.ts'
import type { OwnTicket } from '../tickets/store.ts'
import { transaction } from '../transaction.ts'
import { passwordReset as resetNotice, tellOwner } from './messages.ts'
import { knownOf, PROVEN_FOR } from './parts.ts'
import type { RecoveryParts } from './parts.ts'
import { digestOfToken, newSeed, resetToken } from './secrets.ts'

/** No answer to who asks for a link comes earlier: its time must not tell whether one was sent. */
const ANSWERED_AFTER_MS = 500
const purpose = 'password-reset'

export type ResetFinish = Readonly<{
  token: string
  password: string
  /** Of the authenticator app, or a recovery code; for who has a second factor. */
  code: string | null
  whence: Whence
}>

export type PasswordReset = Readonly<{
  /**
   * Sends a link to the trusted e-mail address of whoever has this login. Nobody learns whether
   * there is one: unknown and closed users, and those with no proven address, get the same answer.
   *
   * @throws AppError `rate_limited` with `retryAfterSeconds`, whoever the login belongs to.
   */
  ask: (login: string, whence: Whence) => Promise<void>
  /** Whose link it is, and whether a code is needed. Uses nothing up; null: it opens nothing. */
  look: (token: string) => Promise<Readonly<{ userId: UserId; needsSecond: boolean }> | null>
  /**
   * Sets a new password, ends all sessions, and tells the owner. Gives whose it is.
   *
   * @throws AppError `code_expired` for a link that opens nothing; `second_factor_required` without
   * a code that is needed, `code_wrong`, `rate_limited` after too many; `password_refused` with
   * why; `overloaded`, `directory_unavailable`. After all but the first, the link goes on working.
   */
  finish: (ask: ResetFinish) => Promise<UserId>
}>

export function createPasswordReset(parts: RecoveryParts): PasswordReset {
  const { pool, factors, budgets } = parts

  async function ask(login: string, whence: Whence): Promise<void> {
    const startedAt = performance.now()
    const userId = await userByLogin(pool, login)
    await budgets.resetAsk(guesserOf(userId, login, whence.network))
    await inTransaction(
      pool,
      async (tx) => await sendLink(parts, tx, userId ?? NOBODY, whence),
      transaction,
    )
    await untilAnswered(startedAt)
  }

  async function look(token: string) {
    const found = await openedBy(parts, token)
    if (!found) return null
    const { userId } = found.user
    return { userId, needsSecond: needsSecond(await factors.enrolled(userId)) }
  }

  return { ask, look, finish: async (given) => await finish(parts, given) }
}

async function untilAnswered(startedAt: number): Promise<void> {
  const left = ANSWERED_AFTER_MS - (performance.now() - startedAt)
  if (left > 0) await sleep(left)
}

async function sendLink(
  { clock, digestKey, record }: RecoveryParts,
  tx: Session,
  userId: UserId,
  whence: Whence,
): Promise<void> {
  const user = await lockUser(tx, userId)
  const now = clock.now()
  const open = user !== null && user.status !== 'closed'
  const recipient = open ? linkRecipient(user, now) : null
  const kind = 'password_reset_asked'
  if (recipient === null) {
    const facts = { why: user === null ? 'unknown' : open ? 'no_proven_email' : 'closed' }
    const whose = user === null ? null : userId
    // Asks the same workers as for everybody: one that is away must not tell who has a link.
    await deleteTickets(tx, { userId: NOBODY, purpose, expireBefore: null })
    await record({ ...whence, userId: whose, kind, outcome: 'refused', facts }, tx)
    return
  }
  const seed = newSeed()
  const digest = digestOfToken(resetToken(digestKey, { userId, seed }))
  await endTickets(tx, { userId, purpose, sentBefore: now })
  await insertOnlyTicket(tx, { digest, purpose, userId, expiresAt: after(now, OWN_TICKET_LIVES) })
  const job = { userId, channel: 'email', recipient, kind: purpose, seed } as const
  await addJob(tx, 'send-secret', job, {})
  await record({ ...whence, userId, kind, outcome: 'done', facts: {} }, tx)
}

/**
 * Where a link goes: to the trusted address, but a first one that an old account has only just
 * proven must wait as any other: it may not be the owner's. Pure.
 */
function linkRecipient(user: User, now: Micros): string | null {
  const { emailBefore, emailVerifiedAt, createdAt } = user
  const young = now < after(createdAt, PROVEN_FOR)
  const fresh = emailVerifiedAt !== null && now < after(emailVerifiedAt, PROVEN_FOR)
  return emailBefore === null && fresh && !young ? null : trustedEmail(user, now)
}

/** The ticket behind a link, and the user, who may not be closed. */
async function openedBy(
  { pool, clock }: RecoveryParts,
  token: string,
): Promise<Readonly<{ ticket: OwnTicket; user: User }> | null> {
  if (!/^[\w-]{43}$/.test(token)) return null
  const ask = { digest: digestOfToken(token), purpose, now: clock.now() } as const
  const ticket = await readTicket(pool, ask)
  const user = ticket && (await findUser(pool, ticket.userId))
  return ticket && user && user.status !== 'closed' ? { ticket, user } : null
}

async function finish(parts: RecoveryParts, given: ResetFinish): Promise<UserId> {
  const { pool, clock, directory } = parts
  const found = await openedBy(parts, given.token)
  if (!found) throw new AppError('code_expired')
  const { ticket, user } = found
  const { userId } = user
  const known = knownOf(user)
  // Looked at first: a code that is used up for a password that is then refused was in vain.
  const why = passwordRefusal(given.password, known)
  if (why !== null) throw new AppError('password_refused', { why })
  await requireSecond(parts, userId, given)

  await takeLink(parts, ticket)
  try {
    await directory.reset({ userId, password: given.password, known, now: clock.now() })
  } catch (error) {
    if (error instanceof AppError) await putBack(parts, ticket)
    throw error
  }
  await inTransaction(pool, async (tx) => await settle(parts, tx, userId, given), transaction)
  return userId
}

/** Whoever reads the mail alone takes nothing over from who has a second factor. */
async function requireSecond(
  { factors, record }: RecoveryParts,
  userId: UserId,
  { code, whence }: ResetFinish,
): Promise<void> {
  if (!needsSecond(await factors.enrolled(userId))) return
  if (code === null) throw new AppError('second_factor_required')
  if ((await factors.useCode(userId, code, whence)) !== null) return
  const facts = { why: 'code' }
  await record({ ...whence, userId, kind: 'password_reset', outcome: 'refused', facts })
  throw new AppError('code_wrong')
}

/**
 * Uses the link up before the directory is asked, which may be no part of our database. Sessions
 * end here already: should this process die behind the directory's answer, none is left open.
 */
async function takeLink(parts: RecoveryParts, { digest, userId }: OwnTicket): Promise<void> {
  const { pool, clock, sessions } = parts
  await inTransaction(
    pool,
    async (tx) => {
      const user = await lockUser(tx, userId)
      const ask = { digest, purpose, userId, binding: null } as const
      const taken = await takeTicket(tx, ask, clock.now())
      if (!user || user.status === 'closed' || !taken) throw new AppError('code_expired')
      await sessions.endAll(tx, userId, null)
    },
    transaction,
  )
}

/** For who can try again: nothing has changed. Unless they asked for another link meanwhile. */
async function putBack({ pool }: RecoveryParts, ticket: OwnTicket): Promise<void> {
  await inTransaction(
    pool,
    async (tx) => {
      await lockUser(tx, ticket.userId)
      await insertOnlyTicket(tx, ticket)
    },
    transaction,
  )
}

/** Sessions that began with the password before, while it was being replaced, end too. */
async function settle(
  { clock, sessions, record }: RecoveryParts,
  tx: Session,
  userId: UserId,
  { whence }: ResetFinish,
): Promise<void> {
  const user = await lockUser(tx, userId)
  if (!user) throw new Error('A user whose password was reset has gone')
  await endTickets(tx, { userId, purpose, sentBefore: after(clock.now(), CLOCKS_APART) })
  await sessions.endAll(tx, userId, null)
  await tellOwner(tx, user, resetNotice(), clock.now())
  await record({ ...whence, userId, kind: 'password_reset', outcome: 'done', facts: {} }, tx)
}
