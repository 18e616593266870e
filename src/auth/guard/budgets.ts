import type { Queryable } from '../../db/query.ts'
import { HOUR } from '../../time.ts'
import type { Clock } from '../../time.ts'
import { createMeter } from './meter.ts'
import type { Share } from './meter.ts'
import { usualPlace } from './throttle.ts'
import type { Guesser } from './throttle.ts'

const budgets = {
  /** Each makes a user and costs a hash. A school or an office is one network, too. */
  signUp: { most: 20, window: HOUR },
  /** Each may send a message. Those of strangers do not count in the owner's usual place. */
  resetPair: { most: 3, window: HOUR },
  resetLogin: { most: 5, window: HOUR },
  resetNetwork: { most: 20, window: HOUR },
} as const

/**
 * What may be asked for so often, whether it is granted or not, and whether there is such a login
 * or not. Each function throws AppError `rate_limited` with `retryAfterSeconds`.
 */
export type Budgets = Readonly<{
  /** Before a new user's password is hashed. */
  signUp: (network: string) => Promise<void>
  /** Before anything is written or sent for who says that they forgot their password. */
  resetAsk: (guesser: Guesser) => Promise<void>
}>

/** For load tests. */
export const unbudgeted: Budgets = {
  signUp: async () => await Promise.resolve(),
  resetAsk: async () => await Promise.resolve(),
}

/** Budgets in the table `meter`, which all processes share. */
export function createBudgets(db: Queryable, clock: Clock): Budgets {
  const meter = createMeter(db, clock)
  return {
    signUp: async (network) => {
      await meter([share('signUp', [network])], null)
    },
    resetAsk: async (guesser) => {
      const { login, network } = guesser
      const shares = [share('resetPair', [login, network]), share('resetNetwork', [network])]
      const spared = { share: share('resetLogin', [login]), mark: usualPlace(guesser) }
      await meter(shares, spared)
    },
  }
}

function share(kind: keyof typeof budgets, whose: readonly string[]): Share {
  return { kind, whose, budget: budgets[kind] }
}
