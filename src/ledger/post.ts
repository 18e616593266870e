import { MONEY_MAX } from '../money.ts'
import type { Micros } from '../time.ts'
import type { Account, AccountId, Accounts, Change, Entry, Line, Movement } from './account.ts'

/** Why the ledger itself declines. Other rooms bring reasons of their own, through `Admit`. */
export type LedgerRefusal =
  | 'account_blocked'
  | 'account_closed'
  | 'account_unknown'
  | 'accounts_repeat'
  | 'balance_out_of_range'
  | 'insufficient_funds'
  | 'total_falls'
  | 'unbalanced'

/**
 * `posted`: the lines stand. `declined`: the marks of `ifDeclined` stand. `void`: nothing is
 * written.
 * `account` is the one that a rule of the ledger stopped at.
 */
export type Verdict<R> =
  | Readonly<{ outcome: 'posted'; at: Micros; entries: readonly Entry[] }>
  | Readonly<{
      outcome: 'declined'
      at: Micros
      entries: readonly Entry[]
      reason: R | LedgerRefusal
      account: AccountId | null
    }>
  | Readonly<{ outcome: 'void'; reason: R | LedgerRefusal; account: AccountId | null }>

/** A rule of another room, asked for each movement in turn with the accounts as they then stand. */
export type Admit<R> = (
  index: number,
  accounts: Accounts,
) => Readonly<{ outcome: 'declined' | 'void'; reason: R }> | null

type Stop = Readonly<{ reason: LedgerRefusal; account: AccountId | null }>

/**
 * Posts movements in order against a snapshot of accounts. Pure: no clock, no I/O, never throws.
 * A refused movement changes nothing but its marks, and does not stop the ones behind it.
 * A movement without `ifDeclined` leaves nothing behind when it is refused.
 */
export function post<R>(
  before: Accounts,
  movements: readonly Movement[],
  now: Micros,
  admit: Admit<R>,
): Readonly<{ after: Accounts; verdicts: readonly Verdict<R>[] }> {
  const after = new Map(before)
  const verdicts = movements.map((movement, index): Verdict<R> => {
    const unknown = movement.lines.find((line) => !after.has(line.account))
    if (unknown) return { outcome: 'void', reason: 'account_unknown', account: unknown.account }
    const refusal = admit(index, after)
    if (refusal?.outcome === 'void') return { ...refusal, outcome: 'void', account: null }
    const stop: Readonly<{ reason: R | LedgerRefusal; account: AccountId | null }> | null = refusal
      ? { reason: refusal.reason, account: null }
      : check(after, movement.lines)
    if (!stop) return { outcome: 'posted', ...append(after, movement, movement.lines, now) }
    if (movement.ifDeclined.length === 0 || check(after, movement.ifDeclined)) {
      return { outcome: 'void', ...stop }
    }
    return { outcome: 'declined', ...stop, ...append(after, movement, movement.ifDeclined, now) }
  })
  return { after, verdicts }
}

function check(accounts: Accounts, lines: readonly Line[]): Stop | null {
  let sum = 0n
  for (const [index, line] of lines.entries()) {
    sum += line.change.amount ?? 0n
    const repeats = lines.findIndex((other) => other.account === line.account) !== index
    if (repeats) return { reason: 'accounts_repeat', account: line.account }
    const account = accounts.get(line.account)
    const reason = account ? refusalOf(account, line.change) : 'account_unknown'
    if (reason) return { reason, account: line.account }
  }
  return sum === 0n ? null : { reason: 'unbalanced', account: null }
}

function refusalOf(account: Account, change: Change): LedgerRefusal | null {
  const { amount = 0n, held = 0n, sending = 0n, withdrawing = 0n } = change
  const lowers = amount < 0n || held > 0n || sending > 0n || withdrawing > 0n
  if (account.state === 'closed' && (lowers || amount > 0n)) return 'account_closed'
  if (account.state === 'blocked' && lowers) return 'account_blocked'

  const next = applied(account, change)
  if (next.balance > MONEY_MAX || next.balance < -MONEY_MAX) return 'balance_out_of_range'
  if (next.sent < account.sent || next.withdrawn < account.withdrawn) return 'total_falls'
  if (next.held < 0n || next.sending < 0n || next.withdrawing < 0n) return 'insufficient_funds'
  // A debt (a bank's late return) is no reason to refuse what does not lower the balance further.
  const falls = next.balance - next.held < account.balance - account.held
  if (account.floor === 'zero' && falls && next.balance < next.held) return 'insufficient_funds'
  return null
}

function applied(account: Account, change: Change): Account {
  return {
    ...account,
    balance: account.balance + (change.amount ?? 0n),
    held: account.held + (change.held ?? 0n),
    sent: account.sent + (change.sent ?? 0n),
    withdrawn: account.withdrawn + (change.withdrawn ?? 0n),
    sending: account.sending + (change.sending ?? 0n),
    withdrawing: account.withdrawing + (change.withdrawing ?? 0n),
  }
}

/** One time for all sides, later than every account's last: so each history has one order. */
function append(
  accounts: Map<AccountId, Account>,
  movement: Movement,
  lines: readonly Line[],
  now: Micros,
): { at: Micros; entries: readonly Entry[] } {
  const known = lines.map((line) => accounts.get(line.account) as Account)
  const at = known.reduce((latest, { at }) => (at >= latest ? ((at + 1n) as Micros) : latest), now)
  const entries = lines.map((line, index): Entry => {
    const account = known[index] as Account
    const next = { ...applied(account, line.change), version: account.version + 1n, at }
    accounts.set(line.account, next)
    return {
      account: line.account,
      version: next.version,
      transaction: movement.transaction,
      at,
      amount: line.change.amount ?? 0n,
      balance: next.balance,
      held: next.held,
      sent: next.sent,
      withdrawn: next.withdrawn,
      other: line.other,
      kind: movement.kind,
      opens: line.opens,
      note: line.note,
    }
  })
  return { at, entries }
}
