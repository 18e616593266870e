import assert from 'node:assert/strict'
import * as fc from 'fast-check'
import type { Account, AccountId, Accounts, Entry, Line } from '../../../src/ledger/account.ts'
import type { Admit, LedgerRefusal, Verdict } from '../../../src/ledger/post.ts'
import { MONEY_MAX } from '../../../src/money.ts'
import type { Micros } from '../../../src/time.ts'
import { world } from './arbitrary.ts'
import type { Asked, World } from './arbitrary.ts'
import type { Property, Rules } from './rules.ts'

type Run = Readonly<{ after: Accounts; verdicts: readonly Verdict<string>[] }>

function ofWorlds(title: string, hold: (rules: Rules, given: World) => void): Property {
  const check: Property['check'] = (rules, how) => {
    fc.assert(
      fc.property(world, (given) => hold(rules, given)),
      how as fc.Parameters<[World]>,
    )
  }
  return { title, check }
}

const admitOf =
  (asked: readonly Asked[]): Admit<string> =>
  (index) => {
    const word = asked[index]?.word
    return word ? { outcome: word, reason: 'said so' } : null
  }

function run({ post }: Rules, { before, asked, now }: World): Run {
  const movements = asked.map(({ movement }) => movement)
  return post(before, movements, now, admitOf(asked))
}

const entriesOf = (verdict: Verdict<string>): readonly Entry[] =>
  verdict.outcome === 'void' ? [] : verdict.entries

const sum = (values: Iterable<bigint>): bigint => [...values].reduce((all, one) => all + one, 0n)

const balanceOf = (accounts: Accounts): bigint =>
  sum([...accounts.values()].map(({ balance }) => balance))

/** Which lines a verdict says were written. */
function writtenLines({ movement }: Asked, verdict: Verdict<string>): readonly Line[] {
  if (verdict.outcome === 'void') return []
  return verdict.outcome === 'posted' ? movement.lines : movement.ifDeclined
}

/** Calls with each entry, its line, and its account as the entry before had left it. */
function walk(
  given: World,
  { verdicts }: Run,
  visit: (entry: Entry, line: Line, previous: Account) => void,
): Accounts {
  const accounts = new Map(given.before)
  for (const [index, verdict] of verdicts.entries()) {
    const lines = writtenLines(given.asked[index] as Asked, verdict)
    assert.equal(entriesOf(verdict).length, lines.length)
    for (const [place, entry] of entriesOf(verdict).entries()) {
      const line = lines[place] as Line
      const previous = accounts.get(entry.account)
      assert(previous, 'an entry of an account that is not there')
      visit(entry, line, previous)
      accounts.set(entry.account, stepped(previous, line, entry.at))
    }
  }
  return accounts
}

const totals = ['balance', 'held', 'sent', 'withdrawn', 'sending', 'withdrawing'] as const

function stepped(previous: Account, { change }: Line, at: Micros): Account {
  const next = { ...previous, version: previous.version + 1n, at }
  for (const total of totals) {
    next[total] += (total === 'balance' ? change.amount : change[total]) ?? 0n
  }
  return next
}

/** All that is wrong with lines, said in another way than the rules say it. */
function faultsOf(accounts: Accounts, lines: readonly Line[]): readonly LedgerRefusal[] {
  const faults = new Set<LedgerRefusal>()
  if (new Set(lines.map(({ account }) => account)).size < lines.length) {
    faults.add('accounts_repeat')
  }
  if (sum(lines.map(({ change }) => change.amount ?? 0n)) !== 0n) faults.add('unbalanced')
  for (const line of lines) {
    const account = accounts.get(line.account)
    if (account) for (const fault of faultsOfLine(account, line)) faults.add(fault)
    else faults.add('account_unknown')
  }
  return [...faults]
}

function* faultsOfLine(account: Account, line: Line): Generator<LedgerRefusal> {
  const next = stepped(account, line, account.at)
  const gets = next.balance > account.balance
  const gives =
    next.balance < account.balance ||
    next.held > account.held ||
    next.sending > account.sending ||
    next.withdrawing > account.withdrawing
  if (account.state === 'closed' && (gets || gives)) yield 'account_closed'
  if (account.state === 'blocked' && gives) yield 'account_blocked'
  if (next.balance > MONEY_MAX || -next.balance > MONEY_MAX) yield 'balance_out_of_range'
  if (next.sent < account.sent || next.withdrawn < account.withdrawn) yield 'total_falls'
  const [free, freeBefore] = [next.balance - next.held, account.balance - account.held]
  const overdrawn = account.floor === 'zero' && free < 0n && free < freeBefore
  const negative = [next.held, next.sending, next.withdrawing].some((total) => total < 0n)
  if (overdrawn || negative) yield 'insufficient_funds'
}

export const postProperties: readonly Property[] = [
  ofWorlds('money is neither made nor lost', (rules, given) => {
    const { after, verdicts } = run(rules, given)
    assert.equal(balanceOf(after), balanceOf(given.before))
    for (const verdict of verdicts) {
      assert.equal(sum(entriesOf(verdict).map(({ amount }) => amount)), 0n)
    }
  }),

  ofWorlds('no floor is broken at any version, with what is held counted', (rules, given) => {
    const ran = run(rules, given)
    walk(given, ran, ({ balance, held }, _line, previous) => {
      assert(held >= 0n && balance <= MONEY_MAX && balance >= -MONEY_MAX)
      const debt = previous.balance - previous.held
      if (previous.floor === 'zero') assert(balance - held >= (debt < 0n ? debt : 0n))
    })
    for (const { sending, withdrawing } of ran.after.values()) {
      assert(sending >= 0n && withdrawing >= 0n)
    }
  }),

  ofWorlds('running totals never fall', (rules, given) => {
    walk(given, run(rules, given), ({ sent, withdrawn }, _line, previous) => {
      assert(sent >= previous.sent && withdrawn >= previous.withdrawn)
    })
  }),

  ofWorlds('chains are gapless, and each entry is the one before plus its line', (rules, given) => {
    const ran = run(rules, given)
    const accounts = walk(given, ran, (entry, line, previous) => {
      assert(entry.at > previous.at, 'time stands still or runs back')
      const { version, balance, held, sent, withdrawn, at } = stepped(previous, line, entry.at)
      const { account, other, opens, note, change } = line
      const { transaction, kind } = entry
      const amount = change.amount ?? 0n
      const numbers = { version, at, amount, balance, held, sent, withdrawn }
      assert.deepEqual(entry, { account, transaction, ...numbers, other, kind, opens, note })
    })
    assert.deepEqual(ran.after, accounts)
  }),

  ofWorlds('a movement has one time on all sides: now, or just after the last', (rules, given) => {
    const { verdicts } = run(rules, given)
    const last = new Map([...given.before.values()].map(({ id, at }) => [id, at]))
    for (const [index, verdict] of verdicts.entries()) {
      if (verdict.outcome === 'void') continue
      const lines = writtenLines(given.asked[index] as Asked, verdict)
      const times = lines.map(({ account }) => (last.get(account) as Micros) + 1n)
      const at = times.reduce((latest, time) => (time > latest ? time : latest), given.now)
      assert.equal(verdict.at, at)
      for (const entry of verdict.entries) {
        assert.equal(entry.at, at)
        last.set(entry.account, entry.at)
      }
    }
  }),

  ofWorlds('entries carry the transaction and kind of their movement', (rules, given) => {
    for (const [index, verdict] of run(rules, given).verdicts.entries()) {
      const movement = given.asked[index]?.movement
      for (const { transaction, kind } of entriesOf(verdict)) {
        assert.deepEqual({ transaction, kind }, pick(movement))
      }
    }
  }),

  ofWorlds('what has a fault is refused for it, and what has none is posted', (rules, given) => {
    const ran = run(rules, given)
    const accounts = new Map(given.before)
    for (const [index, verdict] of ran.verdicts.entries()) {
      judge(accounts, given.asked[index] as Asked, verdict)
      const lines = writtenLines(given.asked[index] as Asked, verdict)
      for (const line of lines) {
        const at = verdict.outcome === 'void' ? given.now : verdict.at
        accounts.set(line.account, stepped(accounts.get(line.account) as Account, line, at))
      }
    }
  }),

  ofWorlds('a batch may be cut anywhere without changing the result', (rules, given) => {
    const whole = run(rules, given)
    for (let cut = 0; cut <= given.asked.length; cut++) {
      const head = run(rules, { ...given, asked: given.asked.slice(0, cut) })
      const tail = run(rules, { ...given, before: head.after, asked: given.asked.slice(cut) })
      assert.deepEqual(tail.after, whole.after)
      assert.deepEqual([...head.verdicts, ...tail.verdicts], whole.verdicts)
    }
  }),

  ofWorlds('a refused movement leaves its marks and nothing else', (rules, given) => {
    const { verdicts, after } = run(rules, given)
    const touched = new Set<AccountId>()
    for (const [index, verdict] of verdicts.entries()) {
      const { ifDeclined } = (given.asked[index] as Asked).movement
      for (const { account } of entriesOf(verdict)) touched.add(account)
      if (verdict.outcome === 'declined') assert(ifDeclined.length > 0)
    }
    for (const [id, account] of given.before) {
      if (!touched.has(id)) assert.equal(after.get(id), account, 'changed without an entry')
    }
    assert.deepEqual([...after.keys()], [...given.before.keys()])
  }),

  ofWorlds('a refused movement does not disturb its neighbours', (rules, given) => {
    const whole = run(rules, given)
    // Without those that left nothing, and with the marks alone of those that were declined.
    const standing = whole.verdicts.flatMap((verdict, index): Asked[] => {
      const one = given.asked[index] as Asked
      if (verdict.outcome === 'void') return []
      return [{ movement: { ...one.movement, lines: writtenLines(one, verdict) }, word: null }]
    })
    const alone = run(rules, { ...given, asked: standing })
    assert.deepEqual(alone.after, whole.after)
    assert.deepEqual(alone.verdicts.flatMap(entriesOf), whole.verdicts.flatMap(entriesOf))
  }),

  ofWorlds('a rule of another room sees the accounts as they then stand', (rules, given) => {
    const seen = new Map<number, Accounts>()
    const movements = given.asked.map(({ movement }) => movement)
    rules.post(given.before, movements, given.now, (index, accounts) => {
      seen.set(index, new Map(accounts))
      return admitOf(given.asked)(index, accounts)
    })
    for (const [index, accounts] of seen) {
      const head = run(rules, { ...given, asked: given.asked.slice(0, index) })
      assert.deepEqual(accounts, head.after)
    }
    const known = movements.filter(({ lines }) =>
      lines.every(({ account }) => given.before.has(account)),
    )
    assert.equal(seen.size, known.length, 'asked once for each whose accounts are all known')
  }),
]

function pick(movement: Asked['movement'] | undefined) {
  return { transaction: movement?.transaction, kind: movement?.kind }
}

/** Holds a verdict against the list of faults. */
function judge(accounts: Accounts, { movement, word }: Asked, verdict: Verdict<string>): void {
  const { lines, ifDeclined } = movement
  if (lines.some(({ account }) => !accounts.has(account))) {
    assert(verdict.outcome === 'void' && verdict.reason === 'account_unknown')
    assert(verdict.account !== null && !accounts.has(verdict.account))
    return
  }
  if (word === 'void') {
    assert.deepEqual(verdict, { outcome: 'void', reason: 'said so', account: null })
    return
  }
  const faults = faultsOf(accounts, lines)
  if (word === null && faults.length === 0) {
    assert.equal(verdict.outcome, 'posted')
    return
  }
  const marked = ifDeclined.length > 0 && faultsOf(accounts, ifDeclined).length === 0
  assert(verdict.outcome !== 'posted')
  assert.equal(verdict.outcome, marked ? 'declined' : 'void')
  if (word) assert.deepEqual([verdict.reason, verdict.account], ['said so', null])
  else blame(accounts, lines, verdict)
}

/** The reason is true, and where it is one account's, that account has it. */
function blame(
  accounts: Accounts,
  lines: readonly Line[],
  { reason, account }: Exclude<Verdict<string>, { outcome: 'posted' }>,
): void {
  assert((faultsOf(accounts, lines) as string[]).includes(reason), `not so: ${reason}`)
  if (reason === 'unbalanced') {
    assert.equal(account, null)
    return
  }
  const own = lines.filter((one) => one.account === account)
  assert(own.length > 0, 'it blames an account that has no line')
  if (reason === 'accounts_repeat') assert(own.length > 1)
  else assert((own.flatMap((one) => faultsOf(accounts, [one])) as string[]).includes(reason))
}
