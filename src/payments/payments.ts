import type { BankAccount } from '../banks/bank-account.ts'
import type { BankAccountId, TransactionId, UserId } from '../ids/ids.ts'
import type { Money } from '../money.ts'
import type { Micros } from '../time.ts'
import { confirmTransaction } from './confirm.ts'
import * as history from './history.ts'
import * as bankLinks from './link-bank.ts'
import type { PaymentParts } from './parts.ts'
import { moveMoney } from './pay.ts'
import * as people from './people.ts'
import type {
  Answered,
  OwnUser,
  Page,
  Party,
  TransactionKind,
  TransactionStatus,
  TransactionView,
} from './views.ts'
import { ownUser } from './wallet.ts'

export type SignUp = Readonly<{
  email: string
  phoneNumber: string
  password: string
  displayName: string | null
  handle: string | null
}>

export type ProfilePatch = Readonly<{
  displayName?: string
  handle?: string
  email?: string
  phoneNumber?: string
  debitCardId?: string | null
}>

export type BankAccountLink = Readonly<{
  bankName: string
  bankPhoneNumber: string | null
  bankEmail: string | null
  bankAccountNumber: string
  bankRoutingNumber: string
  accountType: 'checking' | 'savings'
}>

export type MoneyMove = Readonly<{
  from: Party
  to: Party
  amount: Money
  note: string | null
  transactionDate: Micros | null
}>

/** `start` is included, `end` is not. */
export type TimeRange = Readonly<{ start: Micros | null; end: Micros | null }>
export type PageAsk = TimeRange & Readonly<{ limit: number; cursor: string | null }>

export type RequestOutcome = Readonly<{
  action: string
  createdAt: Micros
  resource: Readonly<
    | { type: 'transaction'; value: TransactionView }
    | { type: 'bankAccount'; value: BankAccount }
    | { type: 'user'; value: OwnUser }
    | { type: 'none' }
  >
}>

/** An Idempotency-Key as the caller sent it, or null for a request that is taken as new. */
export type Key = string | null

/** The hall: every flow that a person can start. All refuse with AppError. */
export type Payments = Readonly<{
  signUp: (ask: SignUp, key: Key) => Promise<Answered<OwnUser>>
  ownUser: (userId: UserId, range: TimeRange) => Promise<OwnUser>
  changeProfile: (caller: UserId, patch: ProfilePatch, key: Key) => Promise<Answered<OwnUser>>
  sendContactCode: (caller: UserId, channel: 'email' | 'phone', key: Key) => Promise<Answered<null>>
  confirmContact: (
    caller: UserId,
    ask: Readonly<{ channel: 'email' | 'phone'; code: string }>,
    key: Key,
  ) => Promise<Answered<OwnUser>>
  linkBankAccount: (
    caller: UserId,
    ask: BankAccountLink,
    key: Key,
  ) => Promise<Answered<BankAccount>>
  unlinkBankAccount: (caller: UserId, id: BankAccountId, key: Key) => Promise<Answered<null>>
  verifyBankAccount: (
    caller: UserId,
    ask: Readonly<{ id: BankAccountId; amountsCents: readonly [number, number] }>,
    key: Key,
  ) => Promise<Answered<BankAccount>>
  listBankAccounts: (userId: UserId, ask: PageAsk) => Promise<Page<BankAccount>>
  moveMoney: (caller: UserId, ask: MoneyMove, key: Key) => Promise<Answered<TransactionView>>
  confirmTransaction: (
    caller: UserId,
    ask: Readonly<{ id: TransactionId; code: string }>,
    key: Key,
  ) => Promise<Answered<TransactionView>>
  findTransaction: (caller: UserId, id: TransactionId) => Promise<TransactionView>
  listTransactions: (
    userId: UserId,
    ask: PageAsk & Readonly<{ status: TransactionStatus | null; kind: TransactionKind | null }>,
  ) => Promise<Page<TransactionView>>
  findRequest: (caller: UserId, key: string) => Promise<RequestOutcome>
}>

/** Builds the hall. */
export function createPayments(parts: PaymentParts): Payments {
  return {
    signUp: async (ask, key) => await people.signUp(parts, ask, key),
    ownUser: async (userId, range) => await ownUser(parts, userId, range),
    changeProfile: async (caller, patch, key) =>
      await people.changeProfile(parts, caller, patch, key),
    sendContactCode: async (caller, channel, key) =>
      await people.sendContactCode(parts, caller, channel, key),
    confirmContact: async (caller, ask, key) =>
      await people.confirmContact(parts, caller, ask, key),
    linkBankAccount: async (caller, ask, key) =>
      await bankLinks.linkBankAccount(parts, caller, ask, key),
    unlinkBankAccount: async (caller, id, key) =>
      await bankLinks.unlinkBankAccount(parts, caller, id, key),
    verifyBankAccount: async (caller, ask, key) =>
      await bankLinks.verifyBankAccount(parts, caller, ask, key),
    listBankAccounts: async (userId, ask) => await history.listBankAccounts(parts, userId, ask),
    moveMoney: async (caller, ask, key) => await moveMoney(parts, caller, ask, key),
    confirmTransaction: async (caller, ask, key) =>
      await confirmTransaction(parts, caller, ask, key),
    findTransaction: async (caller, id) => await history.findTransaction(parts, caller, id),
    listTransactions: async (userId, ask) => await history.listTransactions(parts, userId, ask),
    findRequest: async (caller, key) => await history.findRequest(parts, caller, key),
  }
}
