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
import { used, WINDOW } from './limits.ts'
import type { Base, LimitRules } from './limits.ts'
import { readBase } from './passengers.ts'
import type { PaymentParts } from './parts.ts'
import type { TimeRange } from './asks.ts'
import type { Limit, OwnUser } from './views.ts'

/** How many of the next releases of a limit are told, and in how many entries they are looked for. */
const FREES_SHOWN = 5
const ENTRIES_READ = 200

/** A user as only they may see themselves: with money, limits and linked bank accounts. */
export async function ownUser(
  parts: PaymentParts,
  userId: UserId,
  range: TimeRange,
): Promise<OwnUser> {
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
  const limits = parts.limits ? await limitsOf(parts, parts.limits, user, account) : []
  return { user, wallet, limits, bankAccounts }
}

async function limitsOf(
  parts: PaymentParts,
  rules: LimitRules,
  user: User,
  account: Account,
): Promise<readonly Limit[]> {
  const now = parts.clock.now()
  const tier = tierOf(user)
  const moved = account.sent > 0n || account.withdrawn > 0n
  const base = moved
    ? await readBase(parts.pool, account.id, now)
    : { version: 0n, sent: 0n, withdrawn: 0n }
  const frees = moved ? await freesOf(parts, account, base) : { send: [], cashOut: [] }
  const spent = used(account, base)
  const perTransfer: Limit = {
    name: 'bank_transfer',
    limit: rules.bankTransfer,
    used: money(0n),
    available: rules.bankTransfer,
    frees: [],
  }
  return [
    shown('send', rules.send[tier], spent.send, frees.send),
    shown('cash_out', rules.cashOut[tier], spent.cashOut, frees.cashOut),
    perTransfer,
  ]
}

function shown(name: Limit['name'], limit: Money, spent: bigint, frees: Limit['frees']): Limit {
  // A tier can fall, when a contact changes, below what was already sent.
  const available = spent > limit ? 0n : limit - spent
  return { name, limit, used: money(spent), available: money(available), frees }
}

type Frees = Readonly<{ send: Limit['frees']; cashOut: Limit['frees'] }>

/** The next moments at which something leaves the window. */
async function freesOf(
  parts: PaymentParts,
  account: Account,
  base: Base & Readonly<{ version: bigint }>,
): Promise<Frees> {
  const entries = await readTotals(parts.pool, account.id, base.version + 1n, ENTRIES_READ)
  const send: { at: Micros; amount: Money }[] = []
  const cashOut: { at: Micros; amount: Money }[] = []
  let last: Base = base
  for (const entry of entries) {
    const at = after(entry.at, WINDOW)
    if (entry.sent > last.sent && send.length < FREES_SHOWN) {
      send.push({ at, amount: money(entry.sent - last.sent) })
    }
    if (entry.withdrawn > last.withdrawn && cashOut.length < FREES_SHOWN) {
      cashOut.push({ at, amount: money(entry.withdrawn - last.withdrawn) })
    }
    last = entry
  }
  return { send, cashOut }
}
