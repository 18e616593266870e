import { Type } from 'typebox'
import type { Static, TSchema } from 'typebox'
import { idPattern } from '../ids/ids.ts'
import { closed, nullableText, oneOf, ref } from './shapes/words.ts'

/**
 * What answers hold. Only members that stand here leave the house: the serializers are built from
 * these schemas. Each has a name, under which the OpenAPI document lists it.
 */

const cents = Type.Integer({ description: 'Whole US cents.', examples: [123456] })
const time = Type.String({ format: 'date-time', examples: ['2026-03-02T17:04:05.123456Z'] })

export const BankAccount = Type.Object(
  {
    bankAccountId: Type.String({ pattern: idPattern('bank') }),
    userId: Type.String({ pattern: idPattern('user') }),
    createTime: time,
    bankName: Type.String({ examples: ['First Sandbox Bank'] }),
    bankPhoneNumber: nullableText(),
    bankEmail: nullableText(),
    bankAccountNumber: Type.String({ description: 'Masked.', examples: ['••••6789'] }),
    bankRoutingNumber: Type.String({ examples: ['222222226'] }),
    accountType: oneOf('checking', 'savings'),
    status: oneOf('pending_verification', 'verified', 'disabled'),
  },
  { $id: 'BankAccount', title: 'Bank account', ...closed },
)

export const Limit = Type.Object(
  {
    name: oneOf('send', 'cash_out', 'bank_transfer'),
    limit: cents,
    used: Type.Integer({ description: 'Whole US cents, over the last 7 x 24 h.' }),
    available: cents,
    frees: Type.Array(Type.Object({ at: time, amount: cents }, closed), {
      description: 'When how much becomes available again.',
    }),
  },
  { $id: 'Limit', title: 'Limit', ...closed },
)

const publicMembers = {
  userId: Type.String({ pattern: idPattern('user') }),
  handle: Type.String({ examples: ['ada'] }),
  displayName: Type.String({ examples: ['Ada Lovelace'] }),
}

export const PublicUser = Type.Object(publicMembers, {
  $id: 'PublicUser',
  title: 'User, as others see them',
  ...closed,
})

export const User = Type.Object(
  {
    ...publicMembers,
    createTime: time,
    email: nullableText({ examples: ['ada@example.com'] }),
    emailVerified: Type.Boolean(),
    phoneNumber: nullableText({ examples: ['+12025550123'] }),
    phoneVerified: Type.Boolean(),
    debitCardId: nullableText(),
    status: oneOf('active', 'frozen', 'closed'),
    balance: Type.Integer({
      description: 'Whole US cents: all that the ledger holds for the user.',
    }),
    held: Type.Integer({ description: 'Whole US cents: the part that is reserved.' }),
    available: Type.Integer({ description: 'Whole US cents: balance less held.' }),
    limits: Type.Array(ref(Limit)),
    bankAccounts: Type.Array(ref(BankAccount)),
  },
  { $id: 'User', title: 'User', ...closed },
)

/** One's own in full, another's in three members. */
export const UserOrPublicUser = Type.Unsafe<Static<typeof User> | Static<typeof PublicUser>>({
  anyOf: [ref(User), ref(PublicUser)],
  description: 'The caller in full, or what everybody may see of someone else.',
})

export const Transaction = Type.Object(
  {
    transactionId: Type.String({ pattern: idPattern('txn') }),
    fromId: Type.String({ description: 'A user, or a bank account of the caller.' }),
    toId: Type.String({ description: 'A user, or a bank account of the caller.' }),
    transactionDate: Type.String({
      format: 'date-time',
      description: 'When the ledger first wrote it: its place in the history, for `startTime` too.',
    }),
    settledDate: nullableText({
      format: 'date-time',
      description: 'When it became accepted or declined; null while it waits.',
    }),
    amount: cents,
    kind: oneOf('payment', 'add_money', 'cash_out'),
    status: oneOf('accepted', 'declined', 'waiting_for_verification'),
    declineReason: nullableText({
      description: 'Why it was declined: [all reasons](/docs/errors#declined).',
      examples: ['insufficient_funds'],
    }),
    note: nullableText(),
    finality: Type.Object(
      {
        state: oneOf('final', 'held', 'in_transit', 'returned'),
        until: nullableText({
          format: 'date-time',
          description: 'held: when it expires. in_transit: when it should have arrived.',
        }),
        why: nullableText({
          description: 'For a declined one its declineReason, else a few words for developers.',
        }),
      },
      { ...closed, description: 'Whether what is shown can still change, until when, and why.' },
    ),
  },
  { $id: 'Transaction', title: 'Transaction', ...closed },
)

const nextCursor = nullableText({ description: 'null on the last page.' })

export const BankAccountPage = Type.Object(
  { data: Type.Array(ref(BankAccount)), nextCursor },
  { $id: 'BankAccountPage', title: 'A page of bank accounts', ...closed },
)

export const TransactionPage = Type.Object(
  { data: Type.Array(ref(Transaction)), nextCursor },
  { $id: 'TransactionPage', title: 'A page of transactions', ...closed },
)

export const Session = Type.Object(
  {
    accessToken: Type.String(),
    refreshToken: Type.String({ description: 'Works once: each refresh hands out the next.' }),
    tokenType: oneOf('Bearer'),
    expiresIn: Type.Integer({
      description: 'Seconds that the access token lives.',
      examples: [300],
    }),
    userId: Type.String({ pattern: idPattern('user') }),
  },
  { $id: 'Session', title: 'Session', ...closed },
)

export const FreshToken = Type.Object(
  {
    accessToken: Type.String(),
    tokenType: oneOf('Bearer'),
    expiresIn: Type.Integer({ description: 'Seconds.', examples: [300] }),
  },
  { $id: 'FreshToken', title: 'An access token of a session that counts as fresh', ...closed },
)

export const Outcome = Type.Object(
  {
    idempotencyKey: Type.String(),
    action: Type.String({ examples: ['transaction.create'] }),
    createTime: time,
    transaction: Type.Optional(ref(Transaction)),
    bankAccount: Type.Optional(ref(BankAccount)),
    user: Type.Optional(ref(User)),
  },
  { $id: 'Outcome', title: 'What came of a request', ...closed },
)

export const Problem = Type.Object(
  {
    type: Type.String({ examples: ['/docs/errors#amount_invalid'] }),
    title: Type.String({ examples: ['Amount invalid'] }),
    status: Type.Integer({ examples: [422] }),
    detail: Type.String({ examples: ['more than two decimals'] }),
    code: Type.String({ examples: ['amount_invalid'] }),
    errorMessage: Type.String({ description: 'A sentence for people.' }),
    requestId: Type.String(),
    attemptsLeft: Type.Optional(
      Type.Integer({ description: 'After a wrong code or wrong amounts: how many more may come.' }),
    ),
    scope: Type.Optional(Type.String({ description: 'The scope that the access token lacks.' })),
    limit: Type.Optional(Type.Integer({ description: 'Of what there are too many.' })),
    limitPerDay: Type.Optional(Type.Integer({ description: 'Of what came too often.' })),
    errors: Type.Optional(
      Type.Array(
        Type.Object({
          pointer: Type.String({ description: 'JSON pointer (RFC 6901).', examples: ['/amount'] }),
          detail: Type.String(),
          in: Type.Optional(Type.Literal('query')),
        }),
      ),
    ),
  },
  { $id: 'Problem', title: 'Problem (RFC 9457)' },
)

export const resources: readonly TSchema[] = [
  BankAccount,
  BankAccountPage,
  Limit,
  Outcome,
  Problem,
  PublicUser,
  FreshToken,
  Session,
  Transaction,
  TransactionPage,
  User,
]
