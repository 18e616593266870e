import type { Verdict } from '../../ledger/post.ts'
import type { Job } from '../../queue/jobs.ts'
import type { Micros } from '../../time.ts'
import { abandon, confirm, giveBack, settle } from '../rules/movement.ts'
import { postOnce } from './once.ts'
import type { PaymentParts } from '../parts.ts'
import type { Next, Passenger, Reason, RequestRecord, StoredTransaction } from './passenger.ts'
import { mayBecome, stateOf } from '../rules/state.ts'
import type { State } from '../rules/state.ts'
import type { DeclineReason } from '../rules/views.ts'
import { termsOf } from '../rules/view.ts'

const movements = { abandon, confirm, giveBack, settle }

export type Step = Readonly<{
  by: keyof typeof movements
  to: State
  declineReason?: DeclineReason
  until?: Micros
  jobs?: readonly Job[]
  request?: RequestRecord | null
}>

/**
 * Takes a stored transaction one step further: money, row and jobs in one database transaction,
 * and only if it still stands where it was read. Of a confirmation, an expiry and a settlement at
 * once, one happens.
 */
export async function advance(
  parts: PaymentParts,
  row: StoredTransaction,
  step: Step,
): Promise<Verdict<Reason>> {
  const terms = termsOf(row)
  const from = stateOf(row.status)
  if (!mayBecome(from, step.to)) throw new Error(`a transaction cannot go ${from} -> ${step.to}`)
  const next: Next = {
    is: 'next',
    terms,
    bankAccount: step.to === 'waits_for_bank' ? row.bankAccountId : null,
    from,
    to: step.to,
    declineReason: step.declineReason ?? null,
    until: step.until ?? null,
    jobs: step.jobs ?? [],
  }
  const request = step.request ?? null
  const passenger: Passenger = { request, step: next }
  const tokens = [row.transactionId, ...(request ? [request.caller + request.key] : [])]
  return await postOnce(parts, { movement: movements[step.by](terms), tokens, passenger })
}
