import type { BankAccount } from '../banks/bank-account.ts'
import type { BankAccountId, TransactionId, UserId } from '../ids/ids.ts'
import type { Money } from '../money.ts'
import type { Micros } from '../time.ts'
import type { User } from '../users/user.ts'
import type {
  Answered,
  OwnUser,
  Page,
  Party,
  TransactionKind,
  TransactionStatus,
  TransactionView,
} from './rules/views.ts'

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

/** Whether a factor was shown as lately as the flow may ask: else it throws `step_up_required`. */
export type Shown = Readonly<{ fresh: boolean }>

/** Which of the staff asks, through which app, and from where. */
export type Staff = Readonly<{
  name: string
  clientId: string | null
  network: string | null
  device: string | null
}>

/** The hall: every flow that a person can start. All refuse with AppError. */
export type Payments = Readonly<{
  ownUser: (userId: UserId, range: TimeRange) => Promise<OwnUser>
  changeProfile: (
    caller: UserId,
    patch: ProfilePatch,
    key: Key,
    shown: Shown,
  ) => Promise<Answered<OwnUser>>
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
    shown: Shown,
  ) => Promise<Answered<BankAccount>>
  unlinkBankAccount: (caller: UserId, id: BankAccountId, key: Key) => Promise<Answered<null>>
  verifyBankAccount: (
    caller: UserId,
    ask: Readonly<{ id: BankAccountId; amountsCents: readonly [number, number] }>,
    key: Key,
  ) => Promise<Answered<BankAccount>>
  listBankAccounts: (userId: UserId, ask: PageAsk) => Promise<Page<BankAccount>>
  moveMoney: (
    caller: UserId,
    ask: MoneyMove,
    key: Key,
    shown: Shown,
  ) => Promise<Answered<TransactionView>>
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
  /** For staff. Doing it again changes nothing, and is written down again. */
  setFrozen: (userId: UserId, frozen: boolean, by: Staff) => Promise<User>
}>
