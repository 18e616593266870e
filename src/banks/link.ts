import type { Queryable } from '../db/query.ts'
import { AppError } from '../errors.ts'
import { newId, type UserId } from '../ids/ids.ts'
import { after, DAY, type Micros } from '../time.ts'
import { type AccountType, type BankAccount, isAccountNumber, lastFour } from './bank-account.ts'
import { isRoutingNumber } from './routing.ts'
import { type BankKeys, numberDigest, sealNumber } from './seal.ts'
import { activeCount, insertBankAccount, lockLinks, wrongAnswers } from './store.ts'
import { WRONG_ANSWERS_MAX } from './verify.ts'

/** Bank accounts that a user may have at once, the unlinked ones not counted. */
export const BANK_ACCOUNTS_MAX = 20

/** How long wrong answers about a number outlive its unlinking. */
const ANSWERS_REMEMBERED = 30n * DAY

export type LinkParts = BankKeys & Readonly<{ routingRanges: 'banks' | 'any' }>

export type LinkAsk = Readonly<{
  userId: UserId
  bankName: string
  bankPhoneNumber: string | null
  bankEmail: string | null
  routingNumber: string
  accountNumber: string
  accountType: AccountType
}>

/**
 * Links a bank account, as `pending_verification`: nothing moves until its owner has named the
 * amounts of two micro-entries. Unlinking and linking again gives no fresh tries at them.
 *
 * @param tx A transaction: it holds the user's links locked, so that two at once count right.
 * @throws AppError `routing_number_invalid`; `request_invalid` for an account number that is not
 * 4 to 17 digits; `bank_account_limit`; `bank_account_duplicate` when this user has the number
 * linked; `bank_account_locked` when they lately gave too many wrong answers about it.
 */
export async function link(
  tx: Queryable,
  parts: LinkParts,
  ask: LinkAsk,
  now: Micros,
): Promise<BankAccount> {
  const { accountNumber, ...account } = ask
  if (!isRoutingNumber(ask.routingNumber, parts.routingRanges)) {
    throw new AppError('routing_number_invalid', { field: '/bankRoutingNumber' })
  }
  if (!isAccountNumber(accountNumber)) {
    throw new AppError('request_invalid', { field: '/bankAccountNumber', why: '4 to 17 digits' })
  }
  const digest = numberDigest(parts.digestKey, ask.routingNumber, accountNumber)
  await lockLinks(tx, ask.userId)
  if ((await activeCount(tx, ask.userId)) >= BANK_ACCOUNTS_MAX) {
    throw new AppError('bank_account_limit', { limit: BANK_ACCOUNTS_MAX })
  }
  const since = after(now, -ANSWERS_REMEMBERED)
  const wrong = await wrongAnswers(tx, ask.userId, digest, since)
  if (wrong >= WRONG_ANSWERS_MAX) throw new AppError('bank_account_locked')

  const owner = { userId: ask.userId, bankAccountId: newId('bank') }
  return await insertBankAccount(tx, {
    ...account,
    ...owner,
    lastFour: lastFour(accountNumber),
    sealed: sealNumber(parts.sealKeys, owner, accountNumber),
    numberDigest: digest,
    wrongAnswers: wrong,
    createdAt: now,
  })
}
