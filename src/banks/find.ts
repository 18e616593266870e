import type { Queryable } from '../db/query.ts'
import { AppError } from '../errors.ts'
import type { BankAccountId, UserId } from '../ids/ids.ts'
import type { SealKeys } from '../seal.ts'
import type { Micros } from '../time.ts'
import type { BankAccount } from './bank-account.ts'
import { openSealed, type Owner } from './seal.ts'
import { readBankAccount, readPage, readSealed, shareLock } from './store.ts'

/** When it was linked: from `start` on, and before `end`. */
export type Range = Readonly<{ start: Micros | null; end: Micros | null }>

/** The last row of the page before. */
export type Place = Readonly<{ createdAt: Micros; bankAccountId: BankAccountId }>

export type PageAsk = Range & Readonly<{ limit: number; before: Place | null }>

/** One bank account of this user, an unlinked one too. */
export async function findBankAccount(
  db: Queryable,
  userId: UserId,
  bankAccountId: BankAccountId,
): Promise<BankAccount | null> {
  return await readBankAccount(db, userId, bankAccountId)
}

/** All that this user ever linked, unlinked ones too, newest first: the first `limit` of them. */
export async function listBankAccounts(
  db: Queryable,
  userId: UserId,
  ask: PageAsk,
): Promise<BankAccount[]> {
  return await readPage(db, userId, { ...ask, which: 'all' })
}

/** What this user has linked now, newest first: at most BANK_ACCOUNTS_MAX. */
export async function activeBankAccounts(
  db: Queryable,
  userId: UserId,
  range: Range,
): Promise<BankAccount[]> {
  return await readPage(db, userId, { ...range, before: null, limit: null, which: 'active' })
}

/**
 * Reads bank accounts and keeps them as they are until the transaction ends: an unlinking waits.
 * Transfers do not wait for each other. Those that are unknown are missing in the answer.
 *
 * @param tx For accounts of several users a pipelined connection: it gets a statement for each.
 */
export async function lockForTransfer(
  tx: Queryable,
  wanted: readonly Owner[],
): Promise<BankAccount[]> {
  return await shareLock(tx, wanted)
}

/**
 * The account number, for an instruction to the bank and for nothing else. An unlinked account's
 * opens too, for what is still on its way.
 *
 * @throws AppError `bank_account_unknown`, also when the number has been erased.
 */
export async function openNumber(db: Queryable, keys: SealKeys, owner: Owner): Promise<string> {
  const sealed = await readSealed(db, owner)
  if (!sealed) throw new AppError('bank_account_unknown')
  return openSealed(keys, owner, sealed)
}
