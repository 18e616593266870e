import type { Queryable } from '../db/query.ts'
import type { BankAccountId, UserId } from '../ids/ids.ts'
import type { BankAccount } from './bank-account.ts'
import { answerMicroEntries, readMicroEntries, writeMicroEntries } from './store.ts'

/** Wrong answers that lock a bank account. */
export const WRONG_ANSWERS_MAX = 3

/** Cents, in any order. */
export type MicroAmounts = readonly [number, number]

export type MicroVerdict =
  | Readonly<{ verdict: 'verified'; bankAccount: BankAccount }>
  | Readonly<{ verdict: 'micro_amounts_wrong'; triesLeft: number }>
  | Readonly<{
      verdict:
        | 'bank_account_locked'
        | 'bank_account_not_pending'
        | 'bank_account_unknown'
        | 'micro_entries_not_sent'
    }>

/**
 * Keeps the amounts that the rail has sent, also for a bank account that was unlinked meanwhile:
 * the money did go. Later links of the same number that wait for them get them too. The same
 * amounts again change nothing.
 *
 * @returns Whether they were written now, and not by an earlier run.
 * @throws Error for an unknown bank account, and when other amounts are kept already: the
 * transaction must fail.
 */
export async function recordMicroEntries(
  tx: Queryable,
  userId: UserId,
  bankAccountId: BankAccountId,
  amounts: MicroAmounts,
): Promise<boolean> {
  const written = await writeMicroEntries(tx, userId, bankAccountId, ascending(amounts))
  const kept = await readMicroEntries(tx, userId, bankAccountId)
  if (kept?.amounts?.join() === ascending(amounts).join()) return written
  throw new Error(`micro-entries of bank account ${bankAccountId} do not match what is kept`)
}

/**
 * Compares an answer with the amounts that were sent. A wrong one is counted by the statement that
 * compares it, so that many at once get no more tries than one after the other.
 *
 * Refusals are verdicts, not errors: a transaction must commit whatever the verdict is, for rolling
 * back would give the try back.
 */
export async function tryMicroAmounts(
  db: Queryable,
  userId: UserId,
  bankAccountId: BankAccountId,
  amounts: MicroAmounts,
): Promise<MicroVerdict> {
  const answer = ascending(amounts)
  const answered = await answerMicroEntries(db, userId, bankAccountId, answer, WRONG_ANSWERS_MAX)
  if (answered?.bankAccount.status === 'verified') {
    return { verdict: 'verified', bankAccount: answered.bankAccount }
  }
  if (answered) {
    const triesLeft = WRONG_ANSWERS_MAX - answered.wrongAnswers
    return triesLeft > 0
      ? { verdict: 'micro_amounts_wrong', triesLeft }
      : { verdict: 'bank_account_locked' }
  }
  return { verdict: await whyNot(db, userId, bankAccountId) }
}

async function whyNot(db: Queryable, userId: UserId, bankAccountId: BankAccountId) {
  const kept = await readMicroEntries(db, userId, bankAccountId)
  if (!kept || kept.status === 'disabled') return 'bank_account_unknown'
  if (kept.status === 'verified') return 'bank_account_not_pending'
  return kept.wrongAnswers >= WRONG_ANSWERS_MAX ? 'bank_account_locked' : 'micro_entries_not_sent'
}

function ascending([one, other]: MicroAmounts): MicroAmounts {
  return one <= other ? [one, other] : [other, one]
}
