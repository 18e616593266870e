import { hash } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import { AppError } from '../../errors.ts'
import { MINUTE, SECOND } from '../../time.ts'
import type { Clock, Micros } from '../../time.ts'

/**
 * Failed sign-ins that are looked at in a window. The three budgets:
 * - `pair`: one login from one network. Strict, for it hurts nobody but who guesses there.
 * - `network`: any login from one network, against one password tried on many logins.
 * - `login`: one login from anywhere, against guessing from many networks. Loose, and it does not
 *   count where this login has succeeded before: a stranger with many addresses can keep the owner
 *   out of a new place for a window, but never out of the usual one.
 */
const budgets = {
  pair: { attempts: 10, window: 15n * MINUTE },
  network: { attempts: 100, window: 15n * MINUTE },
  login: { attempts: 100, window: 15n * MINUTE },
} as const

/** Names remembered per budget, some 12 MB at most; who asked longest ago is forgotten first. */
const REMEMBERED_MAX = 20_000

/** The login in its normal form, and the address, or for IPv6 the /64 network, that asks. */
export type Guesser = Readonly<{ login: string; network: string }>

/**
 * Runs an attempt that answers `null` when the secret was wrong.
 *
 * @throws AppError `rate_limited` with `retryAfterSeconds`, before the attempt, so that nothing is
 * hashed for who is over a budget.
 */
export type Throttle = <T>(guesser: Guesser, attempt: () => Promise<T | null>) => Promise<T | null>

/** For load tests: every attempt is looked at. */
export const unthrottled: Throttle = async (_guesser, attempt) => await attempt()

/** Counts in the memory of this process: with K servers a guesser has K times the budgets. */
export function createThrottle(clock: Clock): Throttle {
  const pairs = createMeter(budgets.pair)
  const networks = createMeter(budgets.network)
  const logins = createMeter(budgets.login)
  const usual = new LRUCache<string, true>({ max: REMEMBERED_MAX })

  return async ({ login, network }, attempt) => {
    const now = clock.now()
    const pair = short(`${login} ${network}`)
    const counts: (readonly [Meter, string])[] = [
      [pairs, pair],
      [networks, short(network)],
    ]
    if (!usual.has(pair)) counts.push([logins, short(login)])
    const waits = counts.map(([meter, key]) => meter.waitOf(key, now))
    const wait = waits.reduce((longest, wait) => (wait > longest ? wait : longest), 0n)
    if (wait > 0n) {
      throw new AppError('rate_limited', {
        retryAfterSeconds: Number((wait + SECOND - 1n) / SECOND),
      })
    }

    // Counted before the attempt, so that many at once cannot all slip under the budget.
    for (const [meter, key] of counts) meter.count(key, now)
    let failed = false
    try {
      const found = await attempt()
      failed = found === null
      if (!failed) {
        usual.set(pair, true)
        pairs.forget(pair)
      }
      return found
    } finally {
      // An attempt that was refused for other reasons, as for overload, is no guess.
      if (!failed) for (const [meter, key] of counts) meter.giveBack(key)
    }
  }
}

/** 128 bits of hash: long logins take no more memory than short ones, and none is kept in clear. */
function short(name: string): string {
  return hash('sha256', name, 'base64url').slice(0, 22)
}

type Meter = Readonly<{
  /** How long until the key may count again: 0 when it may now. */
  waitOf: (key: string, now: Micros) => bigint
  count: (key: string, now: Micros) => void
  giveBack: (key: string) => void
  forget: (key: string) => void
}>

function createMeter(budget: Readonly<{ attempts: number; window: bigint }>): Meter {
  const windows = new LRUCache<string, { count: number; startsAt: Micros }>({ max: REMEMBERED_MAX })

  function current(key: string, now: Micros) {
    const window = windows.get(key)
    if (!window) return null
    const age = now - window.startsAt
    // A clock that was set back must not make a window longer than it is.
    return age >= 0n && age < budget.window ? window : null
  }

  return {
    waitOf: (key, now) => {
      const window = current(key, now)
      if (!window || window.count < budget.attempts) return 0n
      return window.startsAt + budget.window - now
    },
    count: (key, now) => {
      const window = current(key, now)
      if (window) window.count++
      else windows.set(key, { count: 1, startsAt: now })
    },
    giveBack: (key) => {
      const window = windows.get(key)
      if (window && window.count > 0) window.count--
    },
    forget: (key) => {
      windows.delete(key)
    },
  }
}
