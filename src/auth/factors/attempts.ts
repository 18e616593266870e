import type { Queryable } from '../../db/query.ts'
import type { UserId } from '../../ids/ids.ts'
import { DAY, MINUTE } from '../../time.ts'
import type { Clock } from '../../time.ts'
import { createMeter } from '../guard/meter.ts'

/**
 * Wrong codes of one user, from wherever they come. Three codes of an app are right at any moment,
 * so the budget of a day leaves a guesser who knows the password one chance in 11,000.
 */
const budgets = [
  { kind: 'codes', budget: { most: 10, window: 15n * MINUTE } },
  { kind: 'codes-of-a-day', budget: { most: 30, window: DAY } },
] as const

/**
 * Runs an attempt that answers `null` when the code was wrong. No stranger can use a budget up:
 * codes are taken only from who has shown the password, or holds a session.
 *
 * @throws AppError `rate_limited` with `retryAfterSeconds`, before anything is compared.
 */
export type Attempts = <T>(userId: UserId, attempt: () => Promise<T | null>) => Promise<T | null>

/** Counts in the table `meter`, so that all servers count together. */
export function createAttempts(db: Queryable, clock: Clock): Attempts {
  const meter = createMeter(db, clock)
  return async (userId, attempt) => {
    const shares = budgets.map((budget) => ({ ...budget, whose: [userId] }))
    const counted = await meter(shares, null)
    let wrong = false
    try {
      const found = await attempt()
      wrong = found === null
      return found
    } finally {
      // A right one is no guess. It forgives none either: the owner's would be a guesser's too.
      if (!wrong) await counted.giveBack()
    }
  }
}
