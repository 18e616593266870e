import { activeBankAccounts } from '../banks/find.ts'
import { AppError } from '../errors.ts'
import type { UserId } from '../ids/ids.ts'
import { walletOf } from '../ledger/account.ts'
import type { Account } from '../ledger/account.ts'
import { readAccounts, readTotals } from '../ledger/store.ts'
import { money } from '../money.ts'
import type { Money } from '../money.ts'
import { after } from '../time.ts'
import type { Micros } from '../time.ts'
import { findUser } from '../users/find.ts'
import { tierOf } from '../users/user.ts'
import type { User } from '../users/user.ts'
import { nothingBefore, used, WINDOW } from './rules/limits.ts'
import type { WindowStart, LimitRules } from './rules/limits.ts'
import { firstInWindow } from './ride/passengers.ts'
import type { PaymentParts } from './parts.ts'
import type { TimeRange } from './asks.ts'
import type { Limit, OwnUser } from './rules/views.ts'

/**
 * How many of the next releases of a limit are told, and in how many entries they are looked for.
 */
const FREES_SHOWN = 5
const ENTRIES_READ = 50

/** A user as only they may see themselves: with money, limits and linked bank accounts. */
export async function ownUser(
  parts: PaymentParts,
  userId: UserId,
  range: TimeRange,
): Promise<OwnUser> {
  return (await ownUserUntil(parts, userId, range)).view
}

/** `until`: when the view changes by itself, because time goes on; null for never. */
export type ViewUntil = Readonly<{ view: OwnUser; until: Micros | null }>

/** `ownUser`, and for how long it is right while nothing happens. */
export async function ownUserUntil(
  parts: PaymentParts,
  userId: UserId,
  range: TimeRange,
): Promise<ViewUntil> {
  const id = walletOf(userId)
  const [user, accounts, bankAccounts] = await Promise.all([
    findUser(parts.pool, userId),
    readAccounts(parts.pool, [id]),
    activeBankAccounts(parts.pool, userId, range),
  ])
  const account = accounts.get(id)
  if (!user || !account) throw new AppError('user_unknown')
  const { balance, held } = account
  const wallet = { balance, held, available: balance - held }
  const { limits, until } = parts.limits
    ? await limitsOf(parts, parts.limits, user, account)
    : { limits: [], until: null }
  return { view: { user, wallet, limits, bankAccounts }, until }
}

async function limitsOf(
  parts: PaymentParts,
  rules: LimitRules,
  user: User,
  account: Account,
): Promise<Readonly<{ limits: readonly Limit[]; until: Micros | null }>> {
  const tier = tierOf(user)
  const { base, frees, until } = await windowOf(parts, account)
  const spent = used(account, base)
  const perTransfer: Limit = {
    name: 'bank_transfer',
    limit: rules.bankTransfer,
    used: money(0n),
    available: rules.bankTransfer,
    frees: [],
  }
  const limits = [
    shown('send', rules.send[tier], spent.send, frees.send),
    shown('cash_out', rules.cashOut[tier], spent.cashOut, frees.cashOut),
    perTransfer,
  ]
  return { limits, until }
}

function shown(name: Limit['name'], limit: Money, spent: bigint, frees: Limit['frees']): Limit {
  // A tier can fall, when a contact changes, below what was already sent.
  const available = spent > limit ? 0n : limit - spent
  return { name, limit, used: money(spent), available: money(available), frees }
}

type Window = Readonly<{
  base: WindowStart
  frees: Readonly<{ send: Limit['frees']; cashOut: Limit['frees'] }>
  /** When its first entry leaves it. */
  until: Micros | null
}>

/** Where an account's window begins, and the next moments at which something leaves it. */
async function windowOf({ pool, clock }: PaymentParts, account: Account): Promise<Window> {
  const send: { at: Micros; amount: Money }[] = []
  const cashOut: { at: Micros; amount: Money }[] = []
  const window = { base: nothingBefore, frees: { send, cashOut }, until: null }
  if (account.sent === 0n && account.withdrawn === 0n) return window
  const first = await firstInWindow(pool, account.id, clock.now())
  const before = first - 1n
  const read = await readTotals(pool, account.id, before, ENTRIES_READ)
  const base = read[0]?.version === before ? read[0] : nothingBefore
  let last: WindowStart = base
  for (const entry of read) {
    const at = after(entry.at, WINDOW)
    if (entry.sent > last.sent && send.length < FREES_SHOWN) {
      send.push({ at, amount: money(entry.sent - last.sent) })
    }
    if (entry.withdrawn > last.withdrawn && cashOut.length < FREES_SHOWN) {
      cashOut.push({ at, amount: money(entry.withdrawn - last.withdrawn) })
    }
    last = entry
  }
  const firstIn = read[0]?.version === before ? read[1] : read[0]
  return { ...window, base, until: firstIn ? after(firstIn.at, WINDOW) : null }
}
