/** Weights of the ABA checksum, digit by digit. */
const weights = [3, 7, 1, 3, 7, 1, 3, 7, 1] as const

/** First two digits that the ABA gives to banks. 00 is the government's, 80 traveller's cheques. */
const bankRanges = [
  [1, 12],
  [21, 32],
  [61, 72],
] as const

/**
 * Whether nine digits can be a bank's ABA routing number. It does not say that the bank exists or
 * takes ACH: a return with code R13 does.
 *
 * @param ranges `banks` for real ones; `any` also takes prefixes that belong to no bank, as
 * sandboxes use them. The checksum holds for both.
 * @see ANSI X9.13, routing number check digit
 */
export function isRoutingNumber(text: string, ranges: 'banks' | 'any'): boolean {
  if (!/^\d{9}$/.test(text) || text === '000000000') return false
  const sum = weights.reduce((total, weight, place) => total + weight * Number(text[place]), 0)
  if (sum % 10 !== 0) return false
  const prefix = Number(text.slice(0, 2))
  return ranges === 'any' || bankRanges.some(([low, high]) => prefix >= low && prefix <= high)
}
