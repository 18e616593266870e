import type { Digest } from '../rules/fingerprint.ts'
import type { BankAccountId, TransactionId, UserId } from '../../ids/ids.ts'
import type { Job } from '../../queue/jobs.ts'
import type { Micros } from '../../time.ts'
import type { LimitName } from '../rules/limits.ts'
import type { Terms } from '../rules/movement.ts'
import type { State } from '../rules/state.ts'
import type { DeclineReason } from '../rules/views.ts'

/** The record of one request under a key: written with what came of it, and kept for ever. */
export type RequestRecord = Readonly<{
  caller: UserId
  key: Digest
  ask: Digest
  action: string
  subject: string | null
}>

export type CodeRecord = Readonly<{ expiresAt: Micros }>

/** A transaction that begins with this movement. */
export type Begin = Readonly<{
  is: 'begin'
  terms: Terms
  bankAccount: BankAccountId | null
  /** Where it stands once it is posted. */
  to: State
  /** Until when it is held, or expected to be on its way. */
  until: Micros | null
  code: CodeRecord | null
  jobs: readonly Job[]
}>

/** A transaction that goes on: only if it still stands at `from`. */
export type Next = Readonly<{
  is: 'next'
  terms: Terms
  /** When the bank is told by this step: it must still be linked. */
  bankAccount: BankAccountId | null
  from: State
  to: State
  declineReason: DeclineReason | null
  until: Micros | null
  jobs: readonly Job[]
}>

/**
 * Money between accounts of Farthing's own, which no user sees. Its request record makes it once.
 */
export type Internal = Readonly<{ is: 'internal' }>

/** What rides along with a movement of money, in its database transaction. */
export type Passenger = Readonly<{
  request: RequestRecord | null
  step: Begin | Next | Internal
}>

/** Why payments stop a movement. Limits decline it, for all to see; the rest leaves no trace. */
export type Reason = Readonly<
  | { is: 'replay'; subject: string | null }
  | { is: 'key_reused' }
  | { is: 'not_waiting' }
  | { is: 'account_frozen' }
  | { is: 'bank_account_not_verified' }
  | { is: 'limit'; name: LimitName }
>

/** A transaction as it is stored. */
export type StoredTransaction = Readonly<{
  transactionId: TransactionId
  payerId: UserId
  payeeId: UserId
  bankAccountId: BankAccountId | null
  kind: number
  amount: bigint
  status: number
  declineReason: DeclineReason | null
  note: string | null
  createdAt: Micros
  postedAt: Micros
  until: Micros | null
}>
