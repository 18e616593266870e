import type { EntryKind } from '../../ledger/account.ts'
import type { TransactionKind, TransactionStatus } from './views.ts'

/** Where a transaction stands; the numbers are stored. */
export const states = { accepted: 1, declined: 2, waits_for_code: 3, waits_for_bank: 4 } as const

export type State = keyof typeof states

/** Where a transaction may go from where it stands. What is not listed cannot happen. */
const next: Readonly<Record<State, readonly State[]>> = {
  accepted: [],
  declined: [],
  waits_for_code: ['accepted', 'waits_for_bank', 'declined'],
  waits_for_bank: ['accepted', 'declined'],
}

export function mayBecome(from: State, to: State): boolean {
  return next[from].includes(to)
}

export function stateOf(stored: number): State {
  const found = Object.entries(states).find(([, number]) => number === stored)
  if (!found) throw new Error(`a transaction is in state ${stored}, which is none`)
  return found[0] as State
}

/** Both kinds of waiting are one for people: a verification, by the payer or by the bank. */
export function statusOf(state: State): TransactionStatus {
  if (state === 'accepted' || state === 'declined') return state
  return 'waiting_for_verification'
}

/** A payment out of a bank account is a payment to people. */
export function kindOf(kind: EntryKind): TransactionKind | null {
  if (kind === 'micro_entries') return null
  return kind === 'bank_payment' ? 'payment' : kind
}
