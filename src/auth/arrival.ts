import type { Pool } from '../db/pool.ts'
import type { Queryable } from '../db/query.ts'
import { inTransaction } from '../db/tx.ts'
import type { UserId } from '../ids/ids.ts'
import { after, DAY } from '../time.ts'
import type { Clock, Micros } from '../time.ts'
import { findUser } from '../users/find.ts'
import type { Recorder, Whence } from './guard/record.ts'
import { cameFrom } from './guard/store.ts'
import { newSignIn, tellOwner } from './recovery/messages.ts'
import { transaction } from './transaction.ts'

const REMEMBERED = 90n * DAY
/**
 * A phone that is carried about gets a new address several times a day. Who is told each time reads
 * none of it, so a device that is known is told of once in so long.
 */
const TOLD_APART = DAY

/**
 * Writes a sign-in down, and tells the owner when its network is new to them. A device alone says
 * little, for anybody can name theirs so; but where that is new as well, they are always told.
 */
export type Arrive = (userId: UserId, whence: Whence, methods: readonly string[]) => Promise<void>

export function createArrivals(
  parts: Readonly<{ pool: Pool; clock: Clock; record: Recorder }>,
): Arrive {
  const { pool, clock, record } = parts
  return async (userId, whence, methods) => {
    const at = clock.now()
    await inTransaction(
      pool,
      async (tx) => {
        const told = await tellOfNew(tx, userId, whence, at)
        // Known to the next sign-in, which may be within the same day.
        const facts = { methods: methods.join(' '), ...(told && { told: 'owner' }) }
        await record({ ...whence, userId, kind: 'sign_in', outcome: 'done', facts }, tx)
      },
      transaction,
    )
  }
}

/** @returns whether the owner is told. */
async function tellOfNew(
  tx: Queryable,
  userId: UserId,
  { network, device }: Whence,
  at: Micros,
): Promise<boolean> {
  const since = after(at, -REMEMBERED)
  const toldSince = after(at, -TOLD_APART)
  const known = await cameFrom(tx, { userId, since, toldSince, network, device })
  if (known.network || (known.device && known.told)) return false
  const user = await findUser(tx, userId)
  // The first sign-in of all: nothing can be new to who has only just signed up.
  if (!user || (!known.ever && user.createdAt > since)) return false
  await tellOwner(tx, user, newSignIn({ at, network, device }), at)
  return true
}
