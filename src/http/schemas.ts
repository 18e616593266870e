import { Type } from 'typebox'
import { idPattern } from '../ids/ids.ts'
import { closed, line, oneOf } from './shapes/words.ts'

/** What requests may hold. Only the shape: what it means is decided by the flows. */

const exampleUserId = 'user_0198f3c2e1b77c3a9d5e0f1a2b3c4d5e'
const exampleBankId = 'bank_0198f3c2e1b87a41b6c2d3e4f5a6b7c8'
const exampleTransactionId = 'txn_0198f3c2e1b97d04a1b2c3d4e5f60718'

const userId = Type.String({ pattern: idPattern('user'), examples: [exampleUserId] })
const bankId = Type.String({ pattern: idPattern('bank'), examples: [exampleBankId] })
const transactionId = Type.String({ pattern: idPattern('txn'), examples: [exampleTransactionId] })
const channel = oneOf('email', 'phone')
const code = Type.String({
  pattern: '^[0-9]{6}$',
  description: 'Six digits.',
  examples: ['493021'],
})

export const UserPath = Type.Object({ id: userId })
export const UserIdPath = Type.Object({ userId })
export const UserBankPath = Type.Object({ id: userId, bankId })
export const BankPath = Type.Object({ bankId })
export const ContactPath = Type.Object({ id: userId, channel })
export const TransactionPath = Type.Object({ transactionId })
export const RequestPath = Type.Object({
  idempotencyKey: Type.String({
    description: 'The Idempotency-Key of the request in question.',
    examples: ['4b2c7a52-9f0e-4d0a-8f7e-2f2f6f0b8c11'],
  }),
})

const email = Type.String({ minLength: 3, maxLength: 254, examples: ['ada@example.com'] })
const phoneNumber = Type.String({
  minLength: 3,
  maxLength: 32,
  description: 'International; a number without a country code is taken as one of the US.',
  examples: ['+12025550123'],
})
const displayName = line(80, 'How others see the user.', 'Ada Lovelace')
const handle = Type.String({
  minLength: 1,
  maxLength: 64,
  description: '3 to 30 of a-z 0-9 _ . - and a letter first. Case does not matter.',
  examples: ['ada'],
})

export const SignUpBody = Type.Object(
  {
    email,
    phoneNumber,
    password: Type.String({
      minLength: 1,
      maxLength: 1_024,
      description: '8 to 256 characters, and not a common one.',
      examples: ['correct horse battery staple'],
    }),
    displayName: Type.Optional(displayName),
    handle: Type.Optional(handle),
  },
  closed,
)

const factorCode = Type.String({
  minLength: 6,
  maxLength: 32,
  description: 'Six digits of an authenticator app, or a recovery code.',
  examples: ['493021'],
})

export const SignInBody = Type.Object(
  {
    login: Type.String({
      minLength: 1,
      maxLength: 254,
      description: 'E-mail address, phone number or handle.',
      examples: ['ada@example.com'],
    }),
    password: Type.String({ minLength: 1, maxLength: 1_024 }),
    code: Type.Optional(factorCode),
  },
  closed,
)

export const StepUpBody = Type.Union([
  Type.Object({ password: Type.String({ minLength: 1, maxLength: 1_024 }) }, closed),
  Type.Object({ code: factorCode }, closed),
])

export const RefreshBody = Type.Object(
  { refreshToken: Type.String({ minLength: 1, maxLength: 512 }) },
  closed,
)

const link = {
  bankName: line(80, 'The name of the bank.', 'First Sandbox Bank'),
  bankPhoneNumber: Type.Optional(line(32, 'Of the bank.', '+18005550100')),
  bankEmail: Type.Optional(line(254, 'Of the bank.', 'help@bank.example')),
  bankAccountNumber: Type.String({
    pattern: '^[0-9]{4,17}$',
    description: 'Digits only. Never shown again: answers carry the last four.',
    examples: ['9500001234'],
  }),
  bankRoutingNumber: Type.String({
    pattern: '^[0-9]{9}$',
    description: 'Nine digits (ABA).',
    examples: ['222222226'],
  }),
  accountType: Type.Optional(oneOf('checking', 'savings')),
}

export const LinkBody = Type.Object(link, closed)

export const profileMembers = [
  'displayName',
  'handle',
  'email',
  'phoneNumber',
  'debitCardId',
] as const
export const linkMembers = Object.keys(link) as readonly (keyof typeof link)[]
export const linkNeeds = ['bankName', 'bankAccountNumber', 'bankRoutingNumber'] as const

/** Three forms in one, as the requirement has it. The route tells them apart by their members. */
export const ChangeUserBody = Type.Partial(
  Type.Object({
    displayName,
    handle,
    email,
    phoneNumber,
    debitCardId: Type.Unsafe<string | null>({
      type: ['string', 'null'],
      // Card numbers have 12 to 19 digits: no run of so many, however it is grouped or prefixed.
      // Letters end a run, for all the digits of a hexadecimal id are often as many.
      pattern: '^(?!.*[0-9](?:[_-]*[0-9]){11})[A-Za-z0-9_-]{1,64}$',
      description:
        'The id of a card at a card vault, never a card number: 12 digits in a row are refused. null removes it.',
      examples: ['card_8f2e6c'],
    }),
    ...link,
    unlinkBankAccountId: bankId,
  }),
  closed,
)

export const VerifyBankBody = Type.Object(
  {
    amountsCents: Type.Unsafe<[number, number]>({
      type: 'array',
      items: { type: 'integer', minimum: 1, maximum: 99 },
      minItems: 2,
      maxItems: 2,
      description: 'The two micro-entries on the bank statement, in cents, in any order.',
      examples: [[11, 22]],
    }),
  },
  closed,
)

export const CodeBody = Type.Object({ code }, closed)

/** For routes that say everything in their path: no body, or an empty object. */
export const NoBody = Type.Unsafe<Readonly<Record<string, never>> | null>({
  type: ['object', 'null'],
  additionalProperties: false,
})

const time = Type.String({ format: 'date-time', maxLength: 40, examples: ['2026-03-02T17:04:05Z'] })

export const MoveBody = Type.Object(
  {
    fromId: Type.String({
      maxLength: 64,
      description: 'The caller, or a verified bank account of the caller.',
      examples: [exampleUserId],
    }),
    toId: Type.String({
      maxLength: 64,
      description: 'A user, or a verified bank account of the caller.',
      examples: ['user_0198f3c2e1ba7f3391a2b3c4d5e6f708'],
    }),
    // The body parser hands a number over as the text it was written in.
    amount: Type.Unsafe<string>({
      type: ['number', 'string'],
      description:
        'Dollars, as a number or a decimal string, read exactly: 0.01 to 99999999.99, whole cents.',
      examples: [12.34, '12.34'],
    }),
    transactionDate: Type.Optional(time),
    note: Type.Optional(line(280, 'What it is for. Both sides see it.', 'Thanks for lunch')),
  },
  closed,
)

const range = {
  startTime: Type.Optional({ ...time, description: 'From here on, this instant included.' }),
  endTime: Type.Optional({ ...time, description: 'Up to here, this instant not included.' }),
}

const paging = {
  limit: Type.Optional(
    Type.Integer({ minimum: 1, maximum: 100, description: 'Rows in a page; 25 when not given.' }),
  ),
  cursor: Type.Optional(
    Type.String({
      pattern: '^[A-Za-z0-9_.~=-]{1,256}$',
      description: 'nextCursor of the page before.',
    }),
  ),
}

export const RangeQuery = Type.Object(range, closed)
export const BankAccountsQuery = Type.Object({ ...range, ...paging }, closed)
export const TransactionsQuery = Type.Object(
  {
    ...range,
    ...paging,
    status: Type.Optional(oneOf('accepted', 'declined', 'waiting_for_verification')),
    kind: Type.Optional(oneOf('payment', 'add_money', 'cash_out')),
  },
  closed,
)

/** Routes that take no query parameters refuse all, like those that take some refuse the rest. */
export const NoQuery = Type.Object({}, closed)

export const MailboxQuery = Type.Object(
  { to: Type.Optional(line(254, 'E-mail address or phone number.', 'ada@example.com')) },
  closed,
)
