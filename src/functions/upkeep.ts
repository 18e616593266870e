import { eraseAllExpired } from '../auth/guard/erase.ts'
import { endLateTickets } from '../auth/tickets/own.ts'
import { eraseOld } from '../banks/erase.ts'
import { SWEPT_PER_PAGE, sweepWaiting as sweep } from '../payments/sweep.ts'
import type { JobFunction } from './event.ts'

export const sweepWaiting: JobFunction<'sweep-waiting'> = async (_event, { payments }) => {
  await sweep(payments, SWEPT_PER_PAGE)
}

export const endTickets: JobFunction<'end-tickets'> = async ({ payload }, { payments }) => {
  await endLateTickets(payments.pool, payload)
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
