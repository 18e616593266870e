import type { Queryable } from '../../db/query.ts'
import type { UserId } from '../../ids/ids.ts'
import { DAY, MINUTE } from '../../time.ts'
import type { Clock } from '../../time.ts'
import { loginForm } from '../../users/names.ts'
import { createMeter } from './meter.ts'
import type { Mark, Share } from './meter.ts'

/**
 * Failed sign-ins that are looked at in a window. The three budgets:
 * - `pair`: one login from one network. Strict, for it hurts nobody but who guesses there.
 * - `network`: any login from one network, against one password tried on many logins.
 * - `login`: one login from anywhere, against guessing from many networks. Loose, and it does not
 *   count where this login has succeeded before: a stranger with many addresses can keep the owner
 *   out of a new place for a window, but never out of the usual one.
 */
const budgets = {
  pair: { most: 10, window: 15n * MINUTE },
  network: { most: 100, window: 15n * MINUTE },
  login: { most: 100, window: 15n * MINUTE },
} as const

/** How long a place stays the usual one after the last sign-in there. */
export const USUAL_FOR = 90n * DAY

/** Under what a login is counted, and the address, or for IPv6 the /64 network, that asks. */
export type Guesser = Readonly<{ login: string; network: string }>

/**
 * Whose login is guessed at, and from where. Somebody's e-mail address, phone number and handle are
 * one login, and so is their session that asks for the password again: all count under the user's
 * id, or each spelling would have a budget of its own. One that is nobody's counts by its normal
 * form; what can be no login at all shares one name, and is never right.
 */
export function guesserOf(userId: UserId | null, typed: string, network: string | null): Guesser {
  return { login: userId ?? loginForm(typed) ?? '', network: network ?? 'unknown' }
}

/**
 * Runs an attempt that answers `null` when the secret was wrong.
 *
 * @throws AppError `rate_limited` with `retryAfterSeconds`, before the attempt, so that nothing is
 * hashed for who is over a budget.
 */
export type Throttle = <T>(guesser: Guesser, attempt: () => Promise<T | null>) => Promise<T | null>

/** For load tests: every attempt is looked at. */
export const unthrottled: Throttle = async (_guesser, attempt) => await attempt()

/** The place where a login has succeeded before. */
export function usualPlace({ login, network }: Guesser): Mark {
  return { kind: 'usual', whose: [login, network] }
}

/**
 * Counts in the database, so that a guesser has each budget once, however many servers there are.
 * One statement before an attempt, and one after it when it was not a wrong guess.
 */
export function createThrottle(db: Queryable, clock: Clock): Throttle {
  const meter = createMeter(db, clock)

  return async (guesser, attempt) => {
    const { login, network } = guesser
    const pair = share('pair', [login, network])
    const mark = usualPlace(guesser)
    // Counted before the attempt, so that many at once cannot all slip under a budget.
    const counted = await meter([pair, share('network', [network])], {
      share: share('login', [login]),
      mark,
    })
    let found
    try {
      found = await attempt()
    } catch (error) {
      // An attempt that was refused for other reasons, as for overload, is no guess.
      await counted.giveBack()
      throw error
    }
    if (found !== null) await counted.forgive({ all: pair, mark, standsFor: USUAL_FOR })
    return found
  }
}

function share(kind: keyof typeof budgets, whose: readonly string[]): Share {
  return { kind: `sign-in ${kind}`, whose, budget: budgets[kind] }
}
