import type { TransactionId, UserId } from '../ids/ids.ts'
import { expireVerification as expire } from '../payments/confirm.ts'
import type { JobFunction } from './event.ts'

export const expireVerification: JobFunction<'expire-verification'> = async (event, parts) => {
  const { payerId, transactionId } = event.payload
  await expire(parts.payments, payerId as UserId, transactionId as TransactionId)
}
