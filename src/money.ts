import { AppError } from './errors.ts'

declare const unit: unique symbol

/** US dollars in whole cents, 0 to MONEY_MAX. No sign: debit and credit say which way it moves. */
export type Money = bigint & { readonly [unit]: 'usd_cents' }

/** 2^53 - 1 cents, the largest amount a JSON number carries exactly to a browser. */
export const MONEY_MAX = 9_007_199_254_740_991n

/** $99,999,999.99, the most that one transaction moves: ten digits, as in a Nacha entry. */
export const TRANSACTION_MAX = 9_999_999_999n

/** @throws AppError `amount_invalid` below 0 cents or above MONEY_MAX. */
export function money(cents: bigint): Money {
  if (cents < 0n || cents > MONEY_MAX) {
    throw new AppError('amount_invalid', { why: 'outside the range that an amount can have' })
  }
  return cents as Money
}

/** The same amount, leaving: what a debit writes into a line of the ledger. */
export function minus(amount: Money): bigint {
  return 0n - amount
}

/**
 * The JSON number grammar (RFC 8259 section 6), with the whole, the fraction and the exponent
 * apart.
 */
const decimal = /^(-?)(0|[1-9]\d*)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/

/** Longer texts are refused before any arithmetic, so that no input can make it slow. */
const LONGEST_TEXT = 40
const LARGEST_EXPONENT = 40

/**
 * Reads dollars, as people and JSON write them, into whole cents, exactly: `12.34` and `1.234e1`
 * are both 1234. No floating-point number is made on the way.
 *
 * @throws AppError `amount_invalid` for zero, negatives, fractions of a cent, more than
 * TRANSACTION_MAX, and whatever is no number.
 */
export function parseDollars(text: string): Money {
  const parts = text.length <= LONGEST_TEXT ? decimal.exec(text) : null
  if (!parts) throw new AppError('amount_invalid', { why: 'not a decimal number of dollars' })
  const [, sign, whole = '', fraction = '', exponent = '0'] = parts
  const digits = whole + fraction
  const shift = Number(exponent) - fraction.length + 2
  if (Math.abs(shift) > LARGEST_EXPONENT) {
    throw new AppError('amount_invalid', { why: 'exponent out of range' })
  }
  const scale = 10n ** BigInt(Math.abs(shift))
  const cents = shift >= 0 ? BigInt(digits) * scale : BigInt(digits) / scale
  if (shift < 0 && cents * scale !== BigInt(digits)) {
    throw new AppError('amount_invalid', { why: 'more than two decimals' })
  }
  if (sign === '-' || cents === 0n) {
    throw new AppError('amount_invalid', { why: 'must be more than zero' })
  }
  if (cents > TRANSACTION_MAX) {
    throw new AppError('amount_invalid', { why: 'more than 99,999,999.99 dollars' })
  }
  return money(cents)
}

/** Dollars as people read them: 123456n becomes `$1,234.56`. */
export function printDollars(cents: bigint): string {
  const sign = cents < 0n ? '-' : ''
  const digits = (cents < 0n ? -cents : cents).toString().padStart(3, '0')
  const whole = digits.slice(0, -2).replace(/\B(?=(\d{3})+$)/g, ',')
  return `${sign}$${whole}.${digits.slice(-2)}`
}
