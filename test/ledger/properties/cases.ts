import assert from 'node:assert/strict'
import type { TransactionId } from '../../../src/ids/ids.ts'
import type { Account, AccountId, Accounts, Line, Movement } from '../../../src/ledger/account.ts'
import type { Admit, Verdict } from '../../../src/ledger/post.ts'
import { MONEY_MAX } from '../../../src/money.ts'
import type { Micros } from '../../../src/time.ts'
import type { Case, Rules } from './rules.ts'

const now = 1_000n as Micros
const [alice, bob, world] = ['alice', 'bob', 'world'] as AccountId[] as [
  AccountId,
  AccountId,
  AccountId,
]

function account(id: AccountId, changes: Partial<Account> = {}): Account {
  const totals = { sent: 0n, withdrawn: 0n, sending: 0n, withdrawing: 0n }
  const start = { version: 1n, balance: 100n, held: 0n, at: 1n as Micros }
  return { id, floor: 'zero', state: 'open', ...start, ...totals, ...changes }
}

function accounts(changes: Record<string, Partial<Account>> = {}): Accounts {
  const all = [
    account(alice, changes['alice']),
    account(bob, changes['bob']),
    account(world, { floor: 'none', balance: -200n, ...changes['world'] }),
  ]
  return new Map(all.map((one) => [one.id, one]))
}

function line(account: AccountId, change: Line['change'], other: AccountId = world): Line {
  return { account, other, change, opens: true, note: null }
}

function movement(lines: readonly Line[], ifDeclined: readonly Line[] = []): Movement {
  return { transaction: 't1' as TransactionId, kind: 'payment', lines, ifDeclined }
}

const pays = (cents: bigint, from: AccountId = alice, to: AccountId = bob) => [
  line(from, { amount: -cents }, to),
  line(to, { amount: cents }, from),
]

type Given = Readonly<{
  accounts?: Record<string, Partial<Account>>
  lines: readonly Line[]
  ifDeclined?: readonly Line[]
  admit?: Admit<string>
}>

const yes: Admit<string> = () => null
const overLimit: Admit<string> = () => ({ outcome: 'declined', reason: 'limit' })

function verdictOf({ post }: Rules, given: Given): Verdict<string> {
  const asked = movement(given.lines, given.ifDeclined)
  const { verdicts } = post(accounts(given.accounts), [asked], now, given.admit ?? yes)
  assert.equal(verdicts.length, 1)
  return verdicts[0] as Verdict<string>
}

const posts = (title: string, given: Given): Case => ({
  title,
  check: (rules) => assert.equal(verdictOf(rules, given).outcome, 'posted'),
})

/** Without a mark, a refusal is void: `reason` and `account` are all that is left of it. */
const refuses = (title: string, reason: string, account: AccountId | null, given: Given): Case => ({
  title,
  check: (rules) => assert.deepEqual(verdictOf(rules, given), { outcome: 'void', reason, account }),
})

const nobody = 'nobody' as AccountId
const debt = { alice: { balance: -50n, held: 10n } }
const mark = line(alice, {})

export const cases: readonly Case[] = [
  posts('a wallet pays its last cent', { lines: pays(100n) }),
  refuses('and not one more', 'insufficient_funds', alice, { lines: pays(101n) }),
  refuses('what is held cannot be paid', 'insufficient_funds', alice, {
    accounts: { alice: { held: 1n } },
    lines: pays(100n),
  }),
  refuses('what is held cannot be held again', 'insufficient_funds', alice, {
    accounts: { alice: { held: 60n } },
    lines: [line(alice, { held: 41n })],
  }),
  refuses('more than is held cannot be released', 'insufficient_funds', alice, {
    accounts: { alice: { held: 5n } },
    lines: [line(alice, { held: -6n })],
  }),
  refuses('more than waits cannot be called sent', 'insufficient_funds', alice, {
    accounts: { alice: { sending: 5n } },
    lines: [line(alice, { sending: -6n, sent: 6n })],
  }),
  refuses('more than waits cannot be called withdrawn', 'insufficient_funds', alice, {
    accounts: { alice: { withdrawing: 5n } },
    lines: [line(alice, { withdrawing: -6n, withdrawn: 6n })],
  }),
  refuses('what was sent stays sent', 'total_falls', alice, {
    accounts: { alice: { sent: 5n } },
    lines: [line(alice, { sent: -1n })],
  }),
  refuses('what was withdrawn stays withdrawn', 'total_falls', alice, {
    accounts: { alice: { withdrawn: 5n } },
    lines: [line(alice, { withdrawn: -1n })],
  }),

  posts('an account without a floor may owe', { lines: pays(1_000n, world, alice) }),
  posts('and hold what it does not have', { lines: [line(world, { held: 1n })] }),

  posts('an account in debt may receive', { accounts: debt, lines: pays(10n, bob, alice) }),
  posts('an account in debt may be released', {
    accounts: debt,
    lines: [line(alice, { held: -10n })],
  }),
  posts('an account in debt takes a mark', { accounts: debt, lines: [mark] }),
  refuses('an account in debt may not pay', 'insufficient_funds', alice, {
    accounts: debt,
    lines: pays(1n),
  }),

  posts('a blocked account may receive', {
    accounts: { alice: { state: 'blocked' } },
    lines: pays(10n, bob, alice),
  }),
  posts('a blocked account may be released', {
    accounts: { alice: { state: 'blocked', held: 5n, sending: 5n } },
    lines: [line(alice, { held: -5n, sending: -5n })],
  }),
  ...(['held', 'sending', 'withdrawing'] as const).map((total) =>
    refuses(`a blocked account has nothing more ${total}`, 'account_blocked', alice, {
      accounts: { alice: { state: 'blocked' } },
      lines: [line(alice, { [total]: 1n })],
    }),
  ),
  refuses('a blocked account does not pay', 'account_blocked', alice, {
    accounts: { alice: { state: 'blocked' } },
    lines: pays(10n),
  }),
  refuses('a closed account does not pay', 'account_closed', alice, {
    accounts: { alice: { state: 'closed' } },
    lines: pays(10n),
  }),
  refuses('a closed account does not receive', 'account_closed', bob, {
    accounts: { bob: { state: 'closed' } },
    lines: pays(10n),
  }),
  posts('a closed account takes a mark', {
    accounts: { alice: { state: 'closed' } },
    lines: [mark],
  }),

  refuses('an account that is not there', 'account_unknown', nobody, {
    lines: pays(10n, alice, nobody),
  }),
  refuses('lines that make money', 'unbalanced', null, { lines: [line(alice, { amount: 1n })] }),
  refuses('lines that lose money', 'unbalanced', null, { lines: [line(alice, { amount: -1n })] }),
  refuses('one account twice in a movement', 'accounts_repeat', alice, {
    lines: pays(10n, alice, alice),
  }),
  posts('a balance at the largest amount', {
    accounts: { bob: { balance: MONEY_MAX - 10n } },
    lines: pays(10n),
  }),
  refuses('a balance above the largest amount', 'balance_out_of_range', bob, {
    accounts: { bob: { balance: MONEY_MAX - 9n } },
    lines: pays(10n),
  }),
  posts('a balance at the largest debt', {
    accounts: { world: { balance: 10n - MONEY_MAX } },
    lines: pays(10n, world),
  }),
  refuses('a balance beyond the largest debt', 'balance_out_of_range', world, {
    accounts: { world: { balance: 9n - MONEY_MAX } },
    lines: pays(10n, world),
  }),

  {
    title: 'a refusal with a mark is kept, with its reason, and moves nothing',
    check: (rules) => {
      const verdict = verdictOf(rules, { lines: pays(101n), ifDeclined: [mark] })
      assert(verdict.outcome === 'declined')
      const { reason, account, at, entries } = verdict
      assert.deepEqual(
        { reason, account, at },
        { reason: 'insufficient_funds', account: alice, at: now },
      )
      assert.deepEqual(
        entries.map(({ account, version, amount, balance }) => [account, version, amount, balance]),
        [[alice, 2n, 0n, 100n]],
      )
    },
  },
  refuses('a mark that would itself be refused is not written', 'insufficient_funds', alice, {
    lines: pays(101n),
    ifDeclined: [line(nobody, {})],
  }),
  {
    title: 'a rule of another room that declines leaves the mark, though the money is there',
    check: (rules) => {
      const verdict = verdictOf(rules, { lines: pays(1n), ifDeclined: [mark], admit: overLimit })
      assert(verdict.outcome === 'declined')
      assert.deepEqual([verdict.reason, verdict.account], ['limit', null])
      assert.equal(verdict.entries.length, 1)
    },
  },
  refuses('a rule of another room that voids leaves nothing, not even the mark', 'replay', null, {
    lines: pays(1n),
    ifDeclined: [mark],
    admit: () => ({ outcome: 'void', reason: 'replay' }),
  }),
  refuses('nobody is asked about accounts that are not there', 'account_unknown', nobody, {
    lines: [line(nobody, {})],
    admit: () => assert.fail('asked'),
  }),
  {
    title: 'a time that stands still, or runs back, does not stop the chains',
    check: ({ post }) => {
      const before = accounts({ alice: { at: now }, bob: { at: (now + 7n) as Micros } })
      const { after, verdicts } = post(before, [movement(pays(1n)), movement(pays(1n))], now, yes)
      assert.deepEqual(
        verdicts.map((verdict) => verdict.outcome === 'posted' && verdict.at),
        [now + 8n, now + 9n],
      )
      assert.deepEqual([after.get(alice)?.at, after.get(bob)?.at], [now + 9n, now + 9n])
    },
  },
  {
    title: 'the second of two payments sees what the first one left',
    check: ({ post }) => {
      const both = [movement(pays(60n)), movement(pays(60n)), movement(pays(40n))]
      const { verdicts } = post(accounts(), both, now, yes)
      assert.deepEqual(
        verdicts.map(({ outcome }) => outcome),
        ['posted', 'void', 'posted'],
      )
    },
  },
  {
    title: 'nothing that is handed in is changed',
    check: ({ post }) => {
      const before = accounts()
      const copy = structuredClone(before)
      post(before, [movement(pays(10n)), movement(pays(101n), [mark])], now, yes)
      assert.deepEqual(before, copy)
    },
  },
]
