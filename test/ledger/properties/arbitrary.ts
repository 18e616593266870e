import * as fc from 'fast-check'
import type { TransactionId } from '../../../src/ids/ids.ts'
import type {
  Account,
  AccountId,
  Accounts,
  Change,
  Line,
  Movement,
} from '../../../src/ledger/account.ts'
import { capture, place, release } from '../../../src/ledger/hold.ts'
import { MONEY_MAX } from '../../../src/money.ts'
import type { Money } from '../../../src/money.ts'
import type { Micros } from '../../../src/time.ts'

/** What another room says to a movement: nothing, or why not. */
export type Word = 'declined' | 'void' | null
export type Asked = Readonly<{ movement: Movement; word: Word }>
export type World = Readonly<{ before: Accounts; asked: readonly Asked[]; now: Micros }>

const ids = ['a', 'b', 'c', 'd', 'e'] as AccountId[]
/** Some worlds lack some of these: unknown accounts are asked for too. */
const anyId = fc.constantFrom(...ids)
const now = 1_000_000n as Micros

/** Mostly small, so that money runs out and limits are met exactly; sometimes at the edge. */
const amount = fc.oneof(
  { weight: 12, arbitrary: fc.bigInt(0n, 6n) },
  { weight: 1, arbitrary: fc.constantFrom(MONEY_MAX - 1n, MONEY_MAX) },
)
const signed = fc.oneof(
  amount,
  amount.map((cents) => -cents),
)

const account = fc.record({
  floor: fc.constantFrom<Account['floor']>('zero', 'zero', 'none'),
  state: fc.constantFrom<Account['state']>('open', 'open', 'open', 'open', 'blocked', 'closed'),
  version: fc.bigInt(0n, 3n),
  /** With floor zero and less than what is held, it is in debt. */
  balance: fc.oneof(
    { weight: 8, arbitrary: fc.bigInt(0n, 12n) },
    { weight: 2, arbitrary: fc.bigInt(-6n, -1n) },
    { weight: 1, arbitrary: fc.constantFrom(-MONEY_MAX, MONEY_MAX - 2n, MONEY_MAX) },
  ),
  held: fc.bigInt(0n, 3n),
  sent: fc.bigInt(0n, 3n),
  withdrawn: fc.bigInt(0n, 3n),
  sending: fc.bigInt(0n, 3n),
  withdrawing: fc.bigInt(0n, 3n),
  at: fc.constantFrom(now - 5n, now - 1n, now, now + 1n, now + 7n) as fc.Arbitrary<Micros>,
})

const accounts = fc
  .tuple(...ids.map((id) => fc.option(account, { freq: 12 }).map((rest) => ({ id, rest }))))
  .map((all): Accounts => {
    const known = all.flatMap(({ id, rest }) => (rest ? Object.freeze({ id, ...rest }) : []))
    return new Map(known.map((one) => [one.id, one]))
  })

const note = fc.constantFrom(null, 'thanks')

const anyChange: fc.Arbitrary<Change> = fc.record(
  {
    amount: signed,
    held: signed,
    sent: signed,
    withdrawn: signed,
    sending: signed,
    withdrawing: signed,
  },
  { requiredKeys: [] },
)

const mark = fc.record({
  account: anyId,
  other: anyId,
  change: fc.constant({}),
  opens: fc.boolean(),
  note,
})

/** Lines as no caller should build them: unbalanced, repeated, with any change at all. */
const anyLines = fc.array(
  mark.chain((line) => anyChange.map((change) => ({ ...line, change }))),
  {
    maxLength: 3,
  },
)

/** What is taken from the later accounts goes to the first; they may be the same account. */
const balanced = fc
  .array(fc.record({ line: mark, amount: signed, more: anyChange }), {
    minLength: 1,
    maxLength: 3,
  })
  .chain((parts) => {
    const sum = parts.reduce((total, part) => total + part.amount, 0n)
    const rest = parts.map(({ line, amount, more }) => ({ ...line, change: { ...more, amount } }))
    return mark.map((line) => [{ ...line, change: { amount: -sum } }, ...rest])
  })

const transfer = fc.tuple(anyId, anyId, amount, note).map(([payer, payee, cents, text]) => [
  {
    account: payer,
    other: payee,
    change: { amount: -cents, sent: cents },
    opens: true,
    note: null,
  },
  { account: payee, other: payer, change: { amount: cents }, opens: true, note: text },
])

export const hold = fc.record({
  payer: anyId,
  payee: anyId,
  amount: amount.map((cents) => cents as Money),
  note,
})
const holdStep = fc
  .tuple(hold, fc.constantFrom(place, capture, release))
  .map(([one, step]) => step(one))

const lines: fc.Arbitrary<readonly Line[]> = fc.oneof(
  { weight: 5, arbitrary: transfer },
  { weight: 4, arbitrary: holdStep },
  { weight: 3, arbitrary: balanced },
  { weight: 1, arbitrary: anyLines },
)

const ifDeclined: fc.Arbitrary<readonly Line[]> = fc.oneof(
  { weight: 3, arbitrary: fc.constant([]) },
  { weight: 4, arbitrary: mark.map((line) => [line]) },
  { weight: 1, arbitrary: fc.tuple(mark, mark).map((both) => [...both]) },
  { weight: 3, arbitrary: lines },
)

const kinds = ['payment', 'add_money', 'cash_out', 'bank_payment', 'micro_entries'] as const

const asked: fc.Arbitrary<Asked> = fc.record({
  movement: fc.record({
    transaction: fc.nat(999).map((number) => `t${number}` as TransactionId),
    kind: fc.constantFrom(...kinds),
    lines,
    ifDeclined,
  }),
  word: fc.constantFrom<Word>(null, null, null, null, null, null, 'declined', 'void'),
})

/**
 * Five accounts in any shape, and what is asked of them: most of it possible, some of it absurd.
 */
export const world: fc.Arbitrary<World> = fc.record({
  before: accounts,
  asked: fc.array(asked, { maxLength: 12 }),
  now: fc.constant(now),
})
