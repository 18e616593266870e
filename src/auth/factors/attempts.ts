import { hash } from 'node:crypto'
import type { Queryable } from '../../db/query.ts'
import { AppError } from '../../errors.ts'
import type { UserId } from '../../ids/ids.ts'
import { after, DAY, MINUTE, SECOND } from '../../time.ts'
import type { Clock } from '../../time.ts'
import { countAttempt, giveAttemptBack } from './store.ts'

/**
 * Wrong codes of one user, from wherever they come. Three codes of an app are right at any moment,
 * so the budget of a day leaves a guesser who knows the password one chance in 11,000.
 */
const budgets = [
  { name: 'quarter', wrong: 10, window: 15n * MINUTE },
  { name: 'day', wrong: 30, window: DAY },
] as const

const NAME_BYTES = 16

/**
 * Runs an attempt that answers `null` when the code was wrong. No stranger can use a budget up:
 * codes are taken only from who has shown the password, or holds a session.
 *
 * @throws AppError `rate_limited` with `retryAfterSeconds`, before anything is compared.
 */
export type Attempts = <T>(userId: UserId, attempt: () => Promise<T | null>) => Promise<T | null>

/** Counts in the table `meter`, so that all servers count together. */
export function createAttempts(db: Queryable, clock: Clock): Attempts {
  return async (userId, attempt) => {
    const now = clock.now()
    // Counted before the attempt, so that many at once cannot all slip under the budget.
    for (const { name, wrong: limit, window } of budgets) {
      const ask = { name: nameOf(name, userId), now, expiresAt: after(now, window), limit }
      const { count, expiresAt } = await countAttempt(db, ask)
      if (count > limit) throw rateLimited(expiresAt - now)
    }
    const found = await attempt()
    if (found === null) return null
    // A right one is no guess. It forgives none either: the owner's would be a guesser's too.
    for (const { name } of budgets) await giveAttemptBack(db, nameOf(name, userId))
    return found
  }
}

function nameOf(budget: string, userId: UserId): Buffer {
  return hash('sha256', `second-factor:${budget}:${userId}`, 'buffer').subarray(0, NAME_BYTES)
}

function rateLimited(wait: bigint): AppError {
  return new AppError('rate_limited', { retryAfterSeconds: Number((wait + SECOND - 1n) / SECOND) })
}
