import type { TransactionId, UserId } from '../ids/ids.ts'
import type { Micros } from '../time.ts'

declare const kind: unique symbol

export type AccountId = string & { readonly [kind]: 'account' }

/** A user's wallet is the account under the user's own id. */
export function walletOf(user: UserId): AccountId {
  return user as string as AccountId
}

/**
 * An account as after its last entry. Amounts are cents, plus for what we owe its holder.
 *
 * `available` is `balance - held`; with floor `zero` it never falls below zero. `sent` and
 * `withdrawn` only grow: all that ever left to other users and to banks, so that what left in any
 * span of time is one subtraction. `sending` and `withdrawing` are what still waits to join them.
 */
export type Account = Readonly<{
  id: AccountId
  floor: 'zero' | 'none'
  state: 'open' | 'blocked' | 'closed'
  version: bigint
  balance: bigint
  held: bigint
  sent: bigint
  withdrawn: bigint
  sending: bigint
  withdrawing: bigint
  at: Micros
}>

export type Accounts = ReadonlyMap<AccountId, Account>

/** What a line does to an account, in cents; whatever is not named stays as it is. */
export type Change = Readonly<{
  amount?: bigint
  held?: bigint
  sent?: bigint
  withdrawn?: bigint
  sending?: bigint
  withdrawing?: bigint
}>

/** One account's side of a movement. It becomes one entry of that account's chain. */
export type Line = Readonly<{
  account: AccountId
  other: AccountId
  change: Change
  /** The first line of its transaction on this account: the one that a history shows. */
  opens: boolean
  /** Kept on the side that receives, whose history must not need another user's rows. */
  note: string | null
}>

/** What an entry is about; the numbers are stored. */
export const entryKinds = {
  payment: 1,
  add_money: 2,
  cash_out: 3,
  bank_payment: 4,
  micro_entries: 5,
} as const

export type EntryKind = keyof typeof entryKinds

/**
 * Lines that are posted together or not at all. Their amounts sum to zero.
 * `ifDeclined` is written in their place when a rule declines them: a mark without money.
 */
export type Movement = Readonly<{
  transaction: TransactionId
  kind: EntryKind
  lines: readonly Line[]
  ifDeclined: readonly Line[]
}>

/** An entry as it is appended to its account's chain. */
export type Entry = Readonly<{
  account: AccountId
  version: bigint
  transaction: TransactionId
  at: Micros
  amount: bigint
  balance: bigint
  held: bigint
  sent: bigint
  withdrawn: bigint
  other: AccountId
  kind: EntryKind
  opens: boolean
  note: string | null
}>
