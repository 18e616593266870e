import type { Pool } from '../db/pool.ts'
import { inTransaction } from '../db/tx.ts'
import type { UserId } from '../ids/ids.ts'
import { after, DAY } from '../time.ts'
import type { Clock } from '../time.ts'
import { findUser } from '../users/find.ts'
import type { Recorder, Whence } from './guard/record.ts'
import { hasComeFrom } from './guard/store.ts'
import { newSignIn, tellOwner } from './recovery/messages.ts'

const REMEMBERED = 90n * DAY
const transaction = { lockTimeoutMs: 2_000 }

/** Writes a sign-in down, and tells the owner when both device and network are new to them. */
export type Arrive = (userId: UserId, whence: Whence, methods: readonly string[]) => Promise<void>

export function createArrivals(
  parts: Readonly<{ pool: Pool; clock: Clock; record: Recorder }>,
): Arrive {
  const { pool, clock, record } = parts
  return async (userId, whence, methods) => {
    const at = clock.now()
    const { network, device } = whence
    const facts = { methods: methods.join(' ') }
    await inTransaction(
      pool,
      async (tx) => {
        const come = await hasComeFrom(tx, { ...whence, userId, since: after(at, -REMEMBERED) })
        const user = come === 'never' ? await findUser(tx, userId) : null
        if (user) await tellOwner(tx, user, newSignIn({ at, network, device }), at)
        await record({ ...whence, userId, kind: 'sign_in', outcome: 'done', facts }, tx)
      },
      transaction,
    )
  }
}
