import type { Queryable } from '../../db/query.ts'
import type { UserId } from '../../ids/ids.ts'
import { DAY, MINUTE } from '../../time.ts'
import type { Clock } from '../../time.ts'
import { createMeter } from '../guard/meter.ts'
import type { Mark, Share } from '../guard/meter.ts'
import { USUAL_FOR } from '../guard/throttle.ts'
import type { CodeMethod } from './second-factors.ts'

/** Of which kind the code is, whose, and from where: an address, or for IPv6 its /64. */
export type Attempt = Readonly<{ method: CodeMethod; userId: UserId; network: string | null }>

const A_WHILE = { most: 10, window: 15n * MINUTE } as const
/**
 * Three codes of an app are right at any moment: thirty a day leave a guesser who knows the
 * password one chance in 11,000.
 */
const A_DAY = { most: 30, window: DAY } as const

/**
 * Runs an attempt that answers `null` when the code was wrong. Codes are taken only from who has
 * shown the password, or holds a session; but that may be a thief, who must not use up what the
 * owner needs to get in and object. So what is counted for a short while is counted where it was
 * tried. Codes of an app have a budget of a day as well, over all places but those where a code was
 * right before: those have one each. Recovery codes have none, for nobody guesses 57 bits.
 *
 * @throws AppError `rate_limited` with `retryAfterSeconds`, before anything is compared.
 */
export type Attempts = <T>(attempt: Attempt, run: () => Promise<T | null>) => Promise<T | null>

/** Counts in the table `meter`, so that all servers count together. */
export function createAttempts(db: Queryable, clock: Clock): Attempts {
  const meter = createMeter(db, clock)
  return async ({ method, userId, network }, run) => {
    const place = [userId, network ?? 'unknown']
    const mark = rightBefore(place)
    const counted =
      method === 'rc'
        ? await meter([{ kind: 'recovery-codes', whose: place, budget: A_WHILE }], null)
        : await meter(sharesOf(place), {
            share: { kind: 'codes of a day', whose: [userId], budget: A_DAY },
            mark,
          })
    let found: Awaited<ReturnType<typeof run>>
    try {
      found = await run()
    } catch (error) {
      await counted.giveBack()
      throw error
    }
    // A right one is no guess. It forgives none either: the owner's would be a guesser's too.
    if (found !== null) await counted.forgive({ all: null, mark, standsFor: USUAL_FOR })
    return found
  }
}

function sharesOf(place: readonly string[]): readonly Share[] {
  return [
    { kind: 'codes', whose: place, budget: A_WHILE },
    { kind: 'codes of a day', whose: place, budget: A_DAY },
  ]
}

/**
 * The place where a code was right. Not the throttle's, where a password was: whoever knows the
 * password could make any place that one.
 */
function rightBefore(place: readonly string[]): Mark {
  return { kind: 'usual for codes', whose: place }
}
