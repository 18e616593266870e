import type { Account, AccountId } from './account.ts'

type SystemAccount = Readonly<{ id: AccountId; floor: Account['floor']; about: string }>

const system = (last: string, floor: Account['floor'], about: string): SystemAccount => ({
  id: `00000000-0000-7000-8000-0000000000${last}` as AccountId,
  floor,
  about,
})

/**
 * The chart of accounts. Users' wallets are the rest: floor zero, one each, under the user's id.
 * Plus is what Farthing owes; the bank clearing account is minus what stands at the bank.
 */
export const chart = {
  bankClearing: system('01', 'none', 'money at, or asked from, the outside banks'),
  inTransitIn: system('02', 'zero', 'asked from a bank for a user, not yet here'),
  inTransitOut: system('03', 'zero', 'taken from a wallet, not yet at the bank'),
  fees: system('04', 'zero', 'fees earned'),
  microEntries: system('05', 'none', 'what proving bank accounts has cost'),
} as const satisfies Record<string, SystemAccount>

const ids: ReadonlySet<string> = new Set(Object.values(chart).map(({ id }) => id))

/** True for Farthing's own accounts, which nobody pays by their id. */
export function isInChart(id: string): boolean {
  return ids.has(id)
}
