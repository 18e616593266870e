import { createHash } from 'node:crypto'
import type { Queryable } from '../../db/query.ts'
import { AppError } from '../../errors.ts'
import { after, SECOND } from '../../time.ts'
import type { Clock, Micros } from '../../time.ts'
import { chargeMeters, settleMeters } from './store.ts'

/** What may be tried so often in a window, which begins with its first attempt. */
export type Budget = Readonly<{ most: number; window: bigint }>

/** One budget of somebody: which it is, and whose. */
export type Share = Readonly<{ kind: string; whose: readonly string[]; budget: Budget }>

/** A share that does not count while a mark stands. */
export type Spared = Readonly<{ share: Share; mark: Mark }>
export type Mark = Readonly<{ kind: string; whose: readonly string[] }>

/** An attempt that is counted. Each function is called once at most, and not both. */
export type Counted = Readonly<{
  /** It was no attempt at all: as if it had not been made. */
  giveBack: () => Promise<void>
  /** It was right: given back, forgotten what was counted on one share, and the mark set. */
  forgive: (ask: Readonly<{ all: Share | null; mark: Mark; standsFor: bigint }>) => Promise<void>
}>

/**
 * Counts an attempt on all the shares, before it is made.
 *
 * @throws AppError `rate_limited` with `retryAfterSeconds` when one of them is used up; then none
 * is counted.
 */
export type Meter = (shares: readonly Share[], spared: Spared | null) => Promise<Counted>

/** Counts in the table `meter`: all processes on one database share what is left. */
export function createMeter(db: Queryable, clock: Clock): Meter {
  return async (shares, spared) => {
    const now = clock.now()
    const all = spared ? [...shares, spared.share] : shares
    const charged = await chargeMeters(db, {
      charges: all.map((share) => ({
        name: nameOf(share),
        most: share.budget.most,
        until: after(now, share.budget.window),
      })),
      now,
      spared: spared && { name: nameOf(spared.share), by: nameOf(spared.mark) },
    })
    const counted = charged.flatMap(({ name, countedUntil }) =>
      countedUntil === null ? [] : [{ name, back: 1, until: countedUntil, mark: false }],
    )
    if (counted.length < charged.length) {
      if (counted.length > 0) await settleMeters(db, counted)
      // Filled by others at this very moment: whoever asks once more hears for how long.
      throw tooOften(charged[0]?.fullUntil ?? after(now, SECOND), now)
    }
    return {
      giveBack: async () => await settleMeters(db, counted),
      forgive: async ({ all: forgiven, mark, standsFor }) => {
        const name = forgiven && nameOf(forgiven)
        const back = counted.map((one) =>
          name?.equals(one.name) ? { ...one, back: forgiven?.budget.most ?? one.back } : one,
        )
        const until = after(clock.now(), standsFor)
        await settleMeters(db, [...back, { name: nameOf(mark), back: 0, until, mark: true }])
      },
    }
  }
}

function tooOften(until: Micros, now: Micros): AppError {
  const retryAfterSeconds = Number((until - now + SECOND - 1n) / SECOND)
  return new AppError('rate_limited', { retryAfterSeconds })
}

const NAME_BYTES = 16

/** 128 bits of hash: long logins take no more room than short ones, and none is kept in clear. */
function nameOf({ kind, whose }: Mark): Buffer {
  return createHash('sha256')
    .update(JSON.stringify([kind, ...whose]))
    .digest()
    .subarray(0, NAME_BYTES)
}
