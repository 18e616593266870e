import { eraseAllExpired } from '../auth/guard/erase.ts'
import { deleteTickets } from '../auth/tickets/store.ts'
import { eraseOld } from '../banks/erase.ts'
import type { UserId } from '../ids/ids.ts'
import { SWEPT_PER_PAGE, sweepWaiting as sweep } from '../payments/sweep.ts'
import { parseTime } from '../time.ts'
import type { JobFunction } from './event.ts'

export const sweepWaiting: JobFunction<'sweep-waiting'> = async (_event, { payments }) => {
  await sweep(payments, SWEPT_PER_PAGE)
}

export const endTickets: JobFunction<'end-tickets'> = async ({ payload }, { payments }) => {
  const expireBefore = parseTime(payload.expireBefore)
  if (expireBefore === null) throw new Error('a job ends tickets of no time')
  await deleteTickets(payments.pool, {
    userId: payload.userId as UserId,
    purpose: payload.purpose,
    expireBefore,
  })
}

/** A run erases so many at most; the next day's goes on. */
export const eraseOldNumbers: JobFunction<'erase-old-numbers'> = async (_event, { payments }) => {
  await eraseOld(payments.pool, payments.clock.now())
}

export const eraseAuth: JobFunction<'erase-auth'> = async (_event, { payments }) => {
  await eraseAllExpired(payments.pool, payments.clock.now())
}

export const auditBooks: JobFunction<'audit'> = async (_event, { audit }) => {
  await audit()
}
