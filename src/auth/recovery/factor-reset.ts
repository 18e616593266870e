import assert from 'node:assert/strict'
import type { Queryable } from '../../db/query.ts'
import { inTransaction } from '../../db/tx.ts'
import { AppError } from '../../errors.ts'
import type { UserId } from '../../ids/ids.ts'
import { addJobs } from '../../queue/jobs.ts'
import { after, DAY, HOUR, SECOND } from '../../time.ts'
import type { Micros } from '../../time.ts'
import { findUser } from '../../users/find.ts'
import { lockUser } from '../../users/store.ts'
import type { Contact, User } from '../../users/user.ts'
import { needsSecond } from '../factors/second-factors.ts'
import type { SecondFactors } from '../factors/second-factors.ts'
import type { EventKind, Whence } from '../guard/record.ts'
import { guesserOf } from '../guard/throttle.ts'
import { CLOCKS_APART, endTickets, OWN_TICKET_LIVES } from '../tickets/own.ts'
import { insertOnlyTicket, takeTicket } from '../tickets/store.ts'
import { transaction } from '../transaction.ts'
import { factorResetCancelled, factorResetDone, provenContacts, tellOwner } from './messages.ts'
import { PROVEN_FOR } from './parts.ts'
import type { RecoveryParts } from './parts.ts'
import {
  cancelToken,
  digestOfCodes,
  digestOfToken,
  factorCode,
  newSeed,
  ownerOfCancelToken,
} from './secrets.ts'
import * as store from './store.ts'

/** In which the owner may object. Long enough for a weekend without the phone. */
const RESET_WAITS = 72n * HOUR
/** For how long it may then be finished. */
export const RESET_STAYS_READY = 7n * DAY
/** The owner is told when it is asked for, and again after a day and after two. */
const TOLD_AFTER = [0n, DAY, 2n * DAY]
const budgets = {
  codes: { kind: 'factor-codes', budget: { most: 3, window: DAY } },
  proofs: { kind: 'factor-proofs', budget: { most: 5, window: DAY } },
} as const

export type FactorResetParts = RecoveryParts &
  Readonly<{
    /** Takes away all second factors and recovery codes of a user. */
    removeFactors: (userId: UserId, tx: Queryable) => Promise<void>
  }>

type Proof = Readonly<{ userId: UserId; password: string; whence: Whence }>

/** From `readyAt` until `endsAt` it may be finished. */
export type FactorResetState = Readonly<{ askedAt: Micros; readyAt: Micros; endsAt: Micros }>

/**
 * For who lost all second factors and recovery codes. They show the password and a code from each
 * of two contacts, and wait for three days in which the owner is told and may cancel.
 */
export type FactorReset = Readonly<{
  /**
   * Sends a code to the e-mail address and another to the phone number of who knows the password.
   *
   * @throws AppError `credentials_invalid`, `rate_limited`; `factor_unknown` for who has no second
   * factor; `action_forbidden` unless both contacts have been proven for a day.
   */
  sendCodes: (proof: Proof) => Promise<void>
  /**
   * Begins the wait. One that runs already goes on as it is.
   *
   * @throws AppError `code_wrong`, `rate_limited` after five a day; `factor_unknown`,
   * `action_forbidden` as `sendCodes`.
   */
  ask: (
    ask: Readonly<{ userId: UserId; emailCode: string; phoneCode: string; whence: Whence }>,
  ) => Promise<FactorResetState>
  /** The one that runs; null: none. */
  standing: (userId: UserId) => Promise<FactorResetState | null>
  /** Cancels the one whose message had this token in its link. True when it ran. */
  cancel: (token: string, whence: Whence) => Promise<boolean>
  /** Cancels the user's, if one runs: a second factor was shown, so it is not lost. */
  secondShown: (userId: UserId, whence: Whence) => Promise<void>
  /**
   * Removes the second factors, ends all sessions, and tells the owner.
   *
   * @throws AppError `credentials_invalid`; `rate_limited` with `retryAfterSeconds` while it waits;
   * `code_expired` when none runs, or it stayed ready for a week, or a contact has changed since.
   */
  finish: (proof: Proof) => Promise<void>
}>

export function createFactorReset(parts: FactorResetParts): FactorReset {
  const { pool, clock } = parts
  return {
    sendCodes: async (proof) => await sendCodes(parts, proof),
    ask: async (given) => await ask(parts, given),
    standing: async (userId) => {
      const reset = await store.readReset(pool, userId)
      const user = reset && (await findUser(pool, userId))
      return user && runs(reset, user, clock.now()) ? stateOf(reset) : null
    },
    cancel: async (token, whence) => {
      const userId = ownerOfCancelToken(token)
      return userId ? await cancel(parts, userId, digestOfToken(token), whence) : false
    },
    secondShown: async (userId, whence) => {
      const found = await store.readReset(pool, userId)
      if (found) await cancel(parts, userId, found.digest, whence)
    },
    finish: async (proof) => await finish(parts, proof),
  }
}

/** Second factors of which a code that is used cancels the reset that says they are lost. */
export function cancellingReset(
  factors: SecondFactors,
  reset: Pick<FactorReset, 'secondShown'>,
): SecondFactors {
  return {
    enrolled: factors.enrolled,
    useCode: async (userId, code, whence) => {
      const method = await factors.useCode(userId, code, whence)
      if (method !== null) await reset.secondShown(userId, whence)
      return method
    },
  }
}

type Reachable = User & Readonly<{ email: string; phoneNumber: string }>

async function sendCodes(parts: FactorResetParts, proof: Proof): Promise<void> {
  const { pool, clock, digestKey, meter } = parts
  const { userId } = proof
  await requirePassword(parts, proof, 'factor_reset_asked')
  await requireFactors(parts, userId)
  await meter([{ ...budgets.codes, whose: [userId] }], null)
  await inTransaction(
    pool,
    async (tx) => {
      const now = clock.now()
      const user = await lockReachable(tx, userId, now)
      const seeded = { userId, seed: newSeed() }
      const codes = {
        email: factorCode(digestKey, seeded, 'email'),
        phone: factorCode(digestKey, seeded, 'phone'),
      }
      const digest = digestOfCodes(digestKey, userId, codes)
      const ticket = { digest, purpose: 'factor-proof', userId } as const
      await endTickets(tx, { userId, purpose: 'factor-proof', sentBefore: now })
      await insertOnlyTicket(tx, { ...ticket, expiresAt: after(now, OWN_TICKET_LIVES) })
      const both: readonly Contact[] = [
        { channel: 'email', recipient: user.email },
        { channel: 'phone', recipient: user.phoneNumber },
      ]
      const jobs = both.map((to) => secretJob({ ...seeded, ...to, kind: 'factor-code' }, {}))
      await addJobs(tx, jobs)
    },
    transaction,
  )
}

type Secret = Contact &
  Readonly<{ userId: UserId; seed: string; kind: 'factor-code' | 'factor-reset' }>

function secretJob(payload: Secret, when: Readonly<{ runAt?: Micros }>) {
  return { name: 'send-secret', payload, when } as const
}

async function ask(
  parts: FactorResetParts,
  given: Parameters<FactorReset['ask']>[0],
): Promise<FactorResetState> {
  const { pool, clock, digestKey, meter } = parts
  const { userId, whence } = given
  await requireFactors(parts, userId)
  // Counted whatever comes of it, and before the codes are looked at.
  await meter([{ ...budgets.proofs, whose: [userId] }], null)
  const codes = { email: given.emailCode, phone: given.phoneCode }
  const digest = digestOfCodes(digestKey, userId, codes)
  const reset = await inTransaction(
    pool,
    async (tx) => {
      const now = clock.now()
      const user = await lockReachable(tx, userId, now)
      const shown = { digest, purpose: 'factor-proof', userId, binding: null } as const
      return (await takeTicket(tx, shown, now))
        ? await begin(parts, tx, user, { whence, now })
        : null
    },
    transaction,
  )
  if (reset) return reset
  await parts.record({
    ...whence,
    userId,
    kind: 'factor_reset_asked',
    outcome: 'refused',
    facts: { why: 'codes' },
  })
  throw new AppError('code_wrong')
}

async function begin(
  { digestKey, record }: FactorResetParts,
  tx: Queryable,
  user: User,
  ask: Readonly<{ whence: Whence; now: Micros }>,
): Promise<FactorResetState> {
  const { userId } = user
  const { whence, now } = ask
  const earlier = await store.readReset(tx, userId)
  if (earlier) {
    if (runs(earlier, user, now)) return stateOf(earlier)
    await store.deleteReset(tx, userId, earlier.digest)
  }
  const seeded = { userId, seed: newSeed() }
  const digest = digestOfToken(cancelToken(digestKey, seeded))
  const begun = { digest, askedAt: now, readyAt: after(now, RESET_WAITS) }
  await store.insertReset(tx, userId, begun)
  const jobs = TOLD_AFTER.flatMap((span) =>
    provenContacts(user, now).map((to) =>
      secretJob({ ...seeded, ...to, kind: 'factor-reset' }, { runAt: after(now, span) }),
    ),
  )
  await addJobs(tx, jobs)
  await record(event(userId, 'factor_reset_asked', whence), tx)
  return stateOf(begun)
}

async function cancel(
  { pool, clock, record }: FactorResetParts,
  userId: UserId,
  digest: Buffer,
  whence: Whence,
): Promise<boolean> {
  return await inTransaction(
    pool,
    async (tx) => {
      const user = await lockUser(tx, userId)
      if (!user || !(await store.deleteReset(tx, userId, digest))) return false
      await tellOwner(tx, user, factorResetCancelled(), clock.now())
      await record(event(userId, 'factor_reset_cancelled', whence), tx)
      return true
    },
    transaction,
  )
}

async function finish(parts: FactorResetParts, proof: Proof): Promise<void> {
  const { pool, clock, sessions, record, removeFactors } = parts
  const { userId, whence } = proof
  await requirePassword(parts, proof, 'factor_reset')
  await inTransaction(
    pool,
    async (tx) => {
      const now = clock.now()
      const user = await lockUser(tx, userId)
      const reset = await store.readReset(tx, userId)
      if (!user || !reset || !runs(reset, user, now)) throw new AppError('code_expired')
      if (now < reset.readyAt) {
        const retryAfterSeconds = Number((reset.readyAt - now + SECOND - 1n) / SECOND)
        throw new AppError('rate_limited', { retryAfterSeconds })
      }
      await store.deleteReset(tx, userId, reset.digest)
      await removeFactors(userId, tx)
      const sentBefore = after(now, CLOCKS_APART)
      await endTickets(tx, { userId, purpose: 'password-reset', sentBefore })
      await sessions.endAll(tx, userId, null)
      await tellOwner(tx, user, factorResetDone(), now)
      await record(event(userId, 'factor_reset', whence), tx)
    },
    transaction,
  )
}

function stateOf({ askedAt, readyAt }: store.StoredReset): FactorResetState {
  return { askedAt, readyAt, endsAt: after(readyAt, RESET_STAYS_READY) }
}

/** One whose contacts changed since is over, too: who proved them may be gone from them. */
function runs(reset: store.StoredReset, user: User, now: Micros): boolean {
  return now < stateOf(reset).endsAt && sameContacts(user, reset.askedAt)
}

function event(userId: UserId, kind: EventKind, whence: Whence) {
  return { ...whence, userId, kind, outcome: 'done', facts: {} } as const
}

/** @throws AppError `credentials_invalid`, `rate_limited` */
async function requirePassword(
  { pool, directory, throttle, record }: FactorResetParts,
  { userId, password, whence }: Proof,
  kind: EventKind,
): Promise<void> {
  const user = await findUser(pool, userId)
  const open = user !== null && user.status !== 'closed'
  const guesser = guesserOf(userId, '', whence.network)
  const right = await throttle(guesser, async () => {
    const verdict = await directory.verify(open ? userId : null, password)
    if (verdict === 'right') return verdict
    const facts = { why: verdict }
    await record({ ...whence, userId, kind, outcome: 'refused', facts })
    return null
  })
  if (right === null) throw new AppError('credentials_invalid')
}

/** @throws AppError `factor_unknown` */
async function requireFactors({ factors }: FactorResetParts, userId: UserId): Promise<void> {
  if (!needsSecond(await factors.enrolled(userId))) throw new AppError('factor_unknown')
}

/** @throws AppError `action_forbidden` unless both contacts have been proven for a day. */
async function lockReachable(tx: Queryable, userId: UserId, now: Micros): Promise<Reachable> {
  const user = await lockUser(tx, userId)
  if (!user || !sameContacts(user, after(now, -PROVEN_FOR))) throw new AppError('action_forbidden')
  const { email, phoneNumber } = user
  assert(email !== null && phoneNumber !== null, 'only what is there has been proven')
  return { ...user, email, phoneNumber }
}

/** Whether both contacts were proven by then and have not changed since. */
function sameContacts({ emailVerifiedAt, phoneVerifiedAt }: User, then: Micros): boolean {
  const times = [emailVerifiedAt, phoneVerifiedAt]
  return times.every((at) => at !== null && at <= then)
}
