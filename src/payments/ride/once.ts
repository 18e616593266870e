import { isLockTimeout, isUniqueViolation } from '../../db/errors.ts'
import type { Queryable, Session } from '../../db/query.ts'
import { AppError } from '../../errors.ts'
import type { UserId } from '../../ids/ids.ts'
import { walletOf } from '../../ledger/account.ts'
import type { Ride } from '../../ledger/passengers.ts'
import type { Verdict } from '../../ledger/post.ts'
import { lockAccounts } from '../../ledger/store.ts'
import { changeView } from '../../users/change-view.ts'
import { digestKey, fingerprint } from '../rules/fingerprint.ts'
import { LOCK_TIMEOUT_MS } from '../parts.ts'
import type { PaymentParts, QuietParts } from '../parts.ts'
import type { Passenger, Reason, RequestRecord } from './passenger.ts'
import * as requests from './store.ts'
import type { FoundRequest } from './store.ts'

export type Ask = Readonly<{
  caller: UserId
  key: string | null
  action: string
  /** All that tells this request from another. */
  ask: readonly unknown[]
}>

export type Outcome<S extends string> = Readonly<{ subject: S | null; replayed: boolean }>

type Work<S> = (tx: Queryable) => Promise<S | null>

/** The record that makes a request once, or null when it came without a key. */
export function requestRecord(secret: Uint8Array, ask: Ask, subject: string | null) {
  if (ask.key === null) return null
  return {
    caller: ask.caller,
    key: digestKey(ask.key),
    ask: fingerprint(secret, [ask.action, ...ask.ask]),
    action: ask.action,
    subject,
  } satisfies RequestRecord
}

/**
 * Carries a request out that moves no money: once for its key. Its record commits with its effect.
 * The second of two at once waits for the first.
 *
 * `countsRefusals`: what `work` did before it refused stays, as a wrong answer that was counted.
 *
 * @throws AppError `idempotency_key_reused`, `request_in_progress`, and what `work` throws.
 */
export async function once<S extends string>(
  parts: QuietParts,
  ask: Ask,
  work: Work<S>,
  options: Readonly<{ countsRefusals: boolean }> = { countsRefusals: false },
): Promise<Outcome<S>> {
  const record = requestRecord(parts.digestKey, ask, null)
  const carried = await changeView(
    parts,
    ask.caller,
    async (tx) => {
      await lockCaller(tx, ask)
      if (record && !(await reserve(tx, record, parts))) {
        return { outcome: replayOf<S>(record, await requests.findRequests(tx, [record])) }
      }
      const done = await attempt(tx, work, options.countsRefusals)
      if (done instanceof AppError) {
        if (record) await requests.dropRequest(tx, record)
        return { refusal: done }
      }
      if (record && done !== null) await requests.nameSubject(tx, record, done)
      return { outcome: { subject: done, replayed: false } }
    },
    { lockTimeoutMs: LOCK_TIMEOUT_MS },
  )
  if ('refusal' in carried) throw carried.refusal
  return carried.outcome
}

/** What an earlier request under this key came to. @throws AppError `idempotency_key_reused`. */
export function replayOf<S extends string>(
  record: RequestRecord,
  found: readonly FoundRequest[],
): Outcome<S> {
  const [earlier] = found
  if (!earlier) throw new AppError('request_in_progress')
  if (earlier.ask !== record.ask) throw new AppError('idempotency_key_reused')
  return { subject: earlier.subject as S | null, replayed: true }
}

/**
 * The caller's wallet first, as the ledger's batches do: one order of locks for all that a user can
 * ask for, so that no two of them wait for each other, and whoever looks a request up under this
 * lock sees what came of it.
 */
async function lockCaller(tx: Session, { caller, key }: Ask): Promise<void> {
  try {
    await lockAccounts(tx, [walletOf(caller)])
  } catch (error) {
    if (key === null || !isLockTimeout(error)) throw error
    throw new AppError('request_in_progress', {}, { cause: error })
  }
}

async function reserve(tx: Queryable, record: RequestRecord, parts: QuietParts) {
  return await requests.reserveRequest(tx, record, parts.clock.now())
}

async function attempt<S>(tx: Queryable, work: Work<S>, countsRefusals: boolean) {
  try {
    return await work(tx)
  } catch (error) {
    // A refusal without an SQL error as its cause leaves the transaction fit to commit.
    if (countsRefusals && error instanceof AppError && error.cause === undefined) return error
    throw error
  }
}

/**
 * Posts a movement with its request. Another kind of request under the same key may commit between
 * our look and our write.
 *
 * @throws AppError `request_in_progress`, and what the ledger throws.
 */
export async function postOnce(
  parts: PaymentParts,
  ride: Ride<Passenger>,
): Promise<Verdict<Reason>> {
  try {
    return await parts.ledger.post(ride)
  } catch (error) {
    if (!isUniqueViolation(error, requests.REQUEST_ONCE)) throw error
    throw new AppError('request_in_progress', {}, { cause: error })
  }
}
