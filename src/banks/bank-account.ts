import type { BankAccountId, UserId } from '../ids/ids.ts'
import type { Micros } from '../time.ts'

export type AccountType = 'checking' | 'savings'
export type BankAccountStatus = 'pending_verification' | 'verified' | 'disabled'

/** A user's account at a bank, outside of our books. Its number stays sealed: see `openNumber`. */
export type BankAccount = Readonly<{
  userId: UserId
  bankAccountId: BankAccountId
  bankName: string
  bankPhoneNumber: string | null
  bankEmail: string | null
  routingNumber: string
  accountType: AccountType
  lastFour: string
  status: BankAccountStatus
  createdAt: Micros
  disabledAt: Micros | null
}>

/** Digits are text: a leading zero is part of the number. */
export function isAccountNumber(text: string): boolean {
  return /^\d{4,17}$/.test(text)
}

/** The end of a number that its owner may see: four digits, and never more than half of it. */
export function lastFour(accountNumber: string): string {
  return accountNumber.slice(-Math.min(4, Math.floor(accountNumber.length / 2)))
}
