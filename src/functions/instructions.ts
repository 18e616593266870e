import type { TransactionId, UserId } from '../ids/ids.ts'
import {
  settleInstruction as settle,
  submitInstruction as submit,
} from '../payments/bank-transfer.ts'
import type { JobFunction } from './event.ts'

/** The rail takes one instruction for a transaction, however often it is told. */
export const submitInstruction: JobFunction<'submit-instruction'> = async ({ payload }, parts) => {
  await submit(parts.payments, payload.payerId as UserId, payload.transactionId as TransactionId)
}

export const settleInstruction: JobFunction<'settle-instruction'> = async ({ payload }, parts) => {
  await settle(parts.payments, payload.payerId as UserId, payload.transactionId as TransactionId)
}
