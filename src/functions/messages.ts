import { createHash } from 'node:crypto'
import { secretMessage } from '../auth/recovery/secret-message.ts'
import type { TransactionId, UserId } from '../ids/ids.ts'
import { codeMessage } from '../payments/code.ts'
import type { Jobs } from '../queue/jobs.ts'
import { contactCodeMessage } from '../users/contacts.ts'
import type { FunctionParts, JobFunction } from './event.ts'

type Message = Jobs['send-message']

export const sendMessage: JobFunction<'send-message'> = async ({ jobId, payload }, parts) => {
  await send(parts, jobId, payload)
}

/** A link or a code that opens nothing any more is not sent. */
export const sendSecret: JobFunction<'send-secret'> = async ({ jobId, payload }, parts) => {
  const { pool: db, clock, digestKey } = parts.payments
  const { authUrl } = parts
  const message = await secretMessage({ db, clock, digestKey, authUrl }, payload)
  if (message) await send(parts, jobId, message)
}

export const sendContactCode: JobFunction<'send-contact-code'> = async (event, parts) => {
  const { pool, clock, digestKey } = parts.payments
  const { seed, ...to } = event.payload
  const ask = { ...to, seed, userId: to.userId as UserId, now: clock.now(), digestKey }
  const text = await contactCodeMessage(pool, ask)
  if (text) await send(parts, event.jobId, { ...to, ...text })
}

export const sendPaymentCode: JobFunction<'send-payment-code'> = async (event, parts) => {
  const { payerId, transactionId } = event.payload
  const { payments } = parts
  const message = await codeMessage(payments, payerId as UserId, transactionId as TransactionId)
  if (message) await send(parts, event.jobId, message)
}

async function send({ deliver }: FunctionParts, jobId: string, message: Message): Promise<void> {
  await deliver(message, deliveryId(jobId, message))
}

/**
 * The same at each attempt. The job's number alone would not do: a database that was restored from
 * a back-up gives numbers out again.
 */
function deliveryId(jobId: string, { userId, channel, recipient, subject, body }: Message): string {
  const parts = [jobId, userId, channel, recipient, subject, body]
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 32)
}
