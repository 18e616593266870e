import { AppError } from '../../errors.ts'
import { walletOf } from '../../ledger/account.ts'
import type { AccountId } from '../../ledger/account.ts'
import type { LedgerRefusal, Verdict } from '../../ledger/post.ts'
import type { Terms } from './movement.ts'
import type { Reason } from '../ride/passenger.ts'
import type { DeclineReason } from './views.ts'

/** What people are told of a movement that was declined, and kept as such. */
export function declineReasonOf(
  reason: Reason | LedgerRefusal,
  terms: Terms,
  account: AccountId | null,
): DeclineReason {
  if (typeof reason !== 'string') {
    if (reason.is === 'limit') return `limit_${reason.name}`
    throw new Error(`${reason.is} leaves no trace, and so declines nothing`)
  }
  switch (reason) {
    case 'insufficient_funds':
    case 'balance_out_of_range':
      return reason
    case 'account_blocked':
      return 'account_blocked'
    case 'account_closed':
      return account === walletOf(terms.payer) ? 'account_blocked' : 'payee_closed'
    case 'account_unknown':
    case 'accounts_repeat':
    case 'total_falls':
    case 'unbalanced':
      throw new Error(`${reason} is no answer to a person`)
  }
}

/** Turns a movement that left nothing behind into the refusal that its caller hears. */
export function refusalOf(verdict: Extract<Verdict<Reason>, { outcome: 'void' }>): Error {
  const { reason } = verdict
  if (typeof reason === 'string') {
    if (reason === 'account_unknown') return new AppError('user_unknown')
    if (reason === 'account_blocked' || reason === 'account_closed') {
      return new AppError('account_frozen')
    }
    return new Error(`the ledger refused a movement that we built: ${reason}`)
  }
  switch (reason.is) {
    case 'key_reused':
      return new AppError('idempotency_key_reused')
    case 'account_frozen':
      return new AppError('account_frozen')
    case 'not_waiting':
      return new AppError('transaction_not_waiting')
    case 'bank_account_not_verified':
      return new AppError('bank_account_not_verified')
    case 'limit':
    case 'replay':
      return new Error(`${reason.is} is no refusal`)
  }
}
