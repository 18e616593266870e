import type { EntryKind } from '../../ledger/account.ts'
import type { Account } from '../../ledger/account.ts'
import type { Money } from '../../money.ts'
import { DAY } from '../../time.ts'
import type { Tier } from '../../users/user.ts'

/** Exactly 7 x 24 hours, whatever the calendar says. */
export const WINDOW = 7n * DAY

/** How much may leave in any seven days, by tier, and in one transfer from or to a bank. */
export type LimitRules = Readonly<{
  send: Readonly<Record<Tier, Money>>
  cashOut: Readonly<Record<Tier, Money>>
  bankTransfer: Money
}>

export type LimitName = 'send' | 'cash_out' | 'bank_transfer'

/** The running totals as they stood when the window began: what is above them, left within it. */
export type WindowStart = Readonly<{ sent: bigint; withdrawn: bigint }>

export const nothingBefore: WindowStart = { sent: 0n, withdrawn: 0n }

/** What counts against a limit: all that left within the window, and all that still waits to. */
export function used(
  account: Account,
  base: WindowStart,
): Readonly<{ send: bigint; cashOut: bigint }> {
  return {
    send: account.sent - base.sent + account.sending,
    cashOut: account.withdrawn - base.withdrawn + account.withdrawing,
  }
}

type Ask = Readonly<{ kind: EntryKind; amount: Money }>

/** The first limit that a new transaction would break, or null. Pure: asked under the lock. */
export function brokenLimit(
  rules: LimitRules,
  tier: Tier,
  account: Account,
  base: WindowStart,
  { kind, amount }: Ask,
): LimitName | null {
  const soFar = used(account, base)
  if (kind !== 'payment' && amount > rules.bankTransfer) return 'bank_transfer'
  if (kind === 'cash_out' && soFar.cashOut + amount > rules.cashOut[tier]) return 'cash_out'
  const sends = kind === 'payment' || kind === 'bank_payment'
  return sends && soFar.send + amount > rules.send[tier] ? 'send' : null
}
