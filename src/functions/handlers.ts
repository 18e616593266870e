import { eraseAllExpired } from '../auth/guard/erase.ts'
import { secretMessage } from '../auth/recovery/secret-message.ts'
import { eraseOld } from '../banks/erase.ts'
import type { BankAccountId, TransactionId, UserId } from '../ids/ids.ts'
import { settleInstruction, submitInstruction } from '../payments/bank-transfer.ts'
import { codeMessage } from '../payments/code.ts'
import { expireVerification } from '../payments/confirm.ts'
import { sendMicroEntries } from '../payments/link-bank.ts'
import type { PaymentParts } from '../payments/parts.ts'
import { SWEPT_PER_PAGE, sweepWaiting } from '../payments/sweep.ts'
import type { Handlers, Jobs } from '../queue/jobs.ts'
import { contactCodeMessage } from '../users/contacts.ts'

export type FunctionParts = Readonly<{
  payments: PaymentParts
  deliver: (message: Jobs['send-message']) => Promise<void>
  /** Fails when an invariant does not hold, so that the job is kept for operators to see. */
  audit: () => Promise<void>
  /** Where links in messages lead: the auth layer's pages, without a slash at the end. */
  authUrl: string
}>

/**
 * What each job does. The queue runs a job at least once: every one of these may be called again,
 * at the same time too, and leaves the world as after once.
 */
export function createHandlers({ payments, deliver, audit, authUrl }: FunctionParts): Handlers {
  const { pool: db, clock, digestKey } = payments
  return {
    'send-message': deliver,
    'send-secret': async (job) => {
      const message = await secretMessage({ db, clock, digestKey, authUrl }, job)
      if (message) await deliver(message)
    },
    'send-contact-code': async (job) => {
      const seeded = { ...job, userId: job.userId as UserId }
      const text = await contactCodeMessage(db, { ...seeded, now: clock.now(), digestKey })
      const { seed: _seed, ...to } = job
      if (text) await deliver({ ...to, ...text })
    },
    'send-payment-code': async ({ payerId, transactionId }) => {
      const message = await codeMessage(payments, payerId as UserId, transactionId as TransactionId)
      if (message) await deliver(message)
    },
    'sweep-waiting': async () => await sweepWaiting(payments, SWEPT_PER_PAGE),
    'submit-instruction': async ({ payerId, transactionId }) =>
      await submitInstruction(payments, payerId as UserId, transactionId as TransactionId),
    'settle-instruction': async ({ payerId, transactionId }) =>
      await settleInstruction(payments, payerId as UserId, transactionId as TransactionId),
    'expire-verification': async ({ payerId, transactionId }) =>
      await expireVerification(payments, payerId as UserId, transactionId as TransactionId),
    'send-micro-entries': async ({ userId, bankAccountId }) =>
      await sendMicroEntries(payments, userId as UserId, bankAccountId as BankAccountId),
    audit,
    // A run erases so many at most; the next day's goes on.
    'erase-old-numbers': async () => {
      await eraseOld(db, clock.now())
    },
    'erase-auth': async () => await eraseAllExpired(db, clock.now()),
  }
}
