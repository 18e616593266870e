import type { JobEvent, JobName } from '../queue/jobs.ts'
import type { FunctionParts, JobFunction } from './event.ts'
import { expireVerification } from './expire-verification.ts'
import { settleInstruction, submitInstruction } from './instructions.ts'
import { sendContactCode, sendMessage, sendPaymentCode, sendSecret } from './messages.ts'
import { sendMicroEntries } from './send-micro-entries.ts'
import { auditBooks, endTickets, eraseAuth, eraseOldNumbers, sweepWaiting } from './upkeep.ts'

/** Which function answers which job. */
const functions: { readonly [N in JobName]: JobFunction<N> } = {
  'send-message': sendMessage,
  'send-secret': sendSecret,
  'send-contact-code': sendContactCode,
  'send-payment-code': sendPaymentCode,
  'end-tickets': endTickets,
  'submit-instruction': submitInstruction,
  'settle-instruction': settleInstruction,
  'expire-verification': expireVerification,
  'send-micro-entries': sendMicroEntries,
  'sweep-waiting': sweepWaiting,
  audit: auditBooks,
  'erase-old-numbers': eraseOldNumbers,
  'erase-auth': eraseAuth,
}

/** Does what a job asks for, once or more. */
export async function handle(event: JobEvent, parts: FunctionParts): Promise<void> {
  await (functions[event.name] as JobFunction<JobName>)(event, parts)
}
