import type { BankAccountId, UserId } from '../ids/ids.ts'
import { sendMicroEntries as send } from '../payments/link-bank.ts'
import type { JobFunction } from './event.ts'

export const sendMicroEntries: JobFunction<'send-micro-entries'> = async ({ payload }, parts) => {
  await send(parts.payments, payload.userId as UserId, payload.bankAccountId as BankAccountId)
}
