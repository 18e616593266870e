import type { BankAccount } from '../../banks/bank-account.ts'
import type { BankAccountId, TransactionId, UserId } from '../../ids/ids.ts'
import type { Money } from '../../money.ts'
import type { Micros } from '../../time.ts'
import type { User } from '../../users/user.ts'

/** One side of a transaction, as its viewer may see it: a user, or a bank account of the viewer. */
export type Party = Readonly<{ kind: 'user'; id: UserId } | { kind: 'bank'; id: BankAccountId }>

export type TransactionKind = 'payment' | 'add_money' | 'cash_out'
export type TransactionStatus = 'accepted' | 'declined' | 'waiting_for_verification'

/** Why nothing moved. `bank_returned` comes with the bank's Nacha return code. */
export type DeclineReason =
  | 'account_blocked'
  | 'bank_account_disabled'
  | 'balance_out_of_range'
  | 'insufficient_funds'
  | 'limit_cash_out'
  | 'limit_bank_transfer'
  | 'limit_send'
  | 'payee_closed'
  | 'verification_expired'
  | 'verification_failed'
  | `bank_returned_${string}`

/**
 * Whether what is shown can still change. `held`: reserved until then, for the payer's code.
 * `in_transit`: between the bank and us, expected then. `returned`: it came back, and why says how.
 */
export type Finality = Readonly<{
  state: 'final' | 'held' | 'in_transit' | 'returned'
  until: Micros | null
  why: string | null
}>

export type TransactionView = Readonly<{
  transactionId: TransactionId
  from: Party
  to: Party
  amount: Money
  kind: TransactionKind
  status: TransactionStatus
  declineReason: DeclineReason | null
  note: string | null
  /** Its place in the viewer's history: when the ledger first wrote it there. */
  transactionDate: Micros
  /** When it became accepted or declined; null while it waits. */
  settledAt: Micros | null
  finality: Finality
}>

/**
 * `nextCursor` is null on the last page. A page may be short, or empty, and still not be the last.
 */
export type Page<T> = Readonly<{ data: readonly T[]; nextCursor: string | null }>

/** `replayed`: the request had been carried out before; `value` is how its subject stands now. */
export type Answered<T> = Readonly<{ value: T; replayed: boolean }>

/**
 * `used` counts what was sent in the last 7 x 24 h and what still waits. `bank_transfer` is per
 * transfer.
 */
export type Limit = Readonly<{
  name: 'send' | 'cash_out' | 'bank_transfer'
  limit: Money
  used: Money
  available: Money
  frees: readonly Readonly<{ at: Micros; amount: Money }>[]
}>

/** What the ledger holds for a user. `available` is `balance` less `held`. */
export type Wallet = Readonly<{ balance: bigint; held: bigint; available: bigint }>

export type OwnUser = Readonly<{
  user: User
  wallet: Wallet
  limits: readonly Limit[]
  bankAccounts: readonly BankAccount[]
}>
