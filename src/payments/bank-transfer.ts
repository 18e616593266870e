import { findBankAccount, openNumber } from '../banks/find.ts'
import { inTransaction } from '../db/tx.ts'
import type { TransactionId, UserId } from '../ids/ids.ts'
import { addJob } from '../queue/jobs.ts'
import type { Progress } from '../rails/rail.ts'
import { after, SECOND } from '../time.ts'
import type { Micros } from '../time.ts'
import { findUser } from '../users/find.ts'
import { advance } from './ride/advance.ts'
import type { Step } from './ride/advance.ts'
import { LOCK_TIMEOUT_MS } from './parts.ts'
import type { PaymentParts } from './parts.ts'
import type { StoredTransaction } from './ride/passenger.ts'
import { stateOf } from './rules/state.ts'
import * as store from './store.ts'
import { refusalOf } from './rules/verdict.ts'
import { termsOf } from './rules/view.ts'

/** Asked again no sooner than this, so that a bank without an answer is not asked all the time. */
const ASK_AGAIN = 1n * SECOND

/**
 * The job that tells the bank. The rail takes one instruction for an id, however often it is told,
 * and the transaction's id is the instruction's.
 */
export async function submitInstruction(
  parts: PaymentParts,
  payer: UserId,
  id: TransactionId,
): Promise<void> {
  const row = await waitingForBank(parts, payer, id)
  if (!row?.bankAccountId) return
  const owner = { userId: payer, bankAccountId: row.bankAccountId }
  const user = await findUser(parts.pool, payer)
  const account = await findBankAccount(parts.pool, payer, row.bankAccountId)
  if (!user || !account) throw new Error(`transaction ${id} has lost its user or bank account`)
  const { kind, amount } = termsOf(row)
  const progress = await parts.rail.submit({
    id,
    direction: kind === 'cash_out' ? 'credit' : 'debit',
    amount,
    routingNumber: account.routingNumber,
    accountNumber: await openNumber(parts.pool, parts.banks.sealKeys, owner),
    accountType: account.accountType,
    name: user.displayName,
  })
  await goOn(parts, row, progress)
}

/** The job that asks the bank how an instruction ended, and posts what it says. */
export async function settleInstruction(
  parts: PaymentParts,
  payer: UserId,
  id: TransactionId,
): Promise<void> {
  const row = await waitingForBank(parts, payer, id)
  if (row) await goOn(parts, row, await parts.rail.progress(id))
}

/** Null when the transaction has ended: the job came twice. */
async function waitingForBank(
  parts: PaymentParts,
  payer: UserId,
  id: TransactionId,
): Promise<StoredTransaction | null> {
  const [row] = await store.findOwnTransactions(parts.pool, payer, [id])
  if (!row) throw new Error(`a job names transaction ${id}, which does not exist`)
  return stateOf(row.status) === 'waits_for_bank' ? row : null
}

async function goOn(parts: PaymentParts, row: StoredTransaction, progress: Progress) {
  switch (progress.state) {
    case 'pending':
      await askLater(parts, row, progress.until)
      return
    case 'settled':
      await end(parts, row, { by: 'settle', to: 'accepted' })
      return
    case 'returned':
      await end(parts, row, {
        by: 'giveBack',
        to: 'declined',
        declineReason: `bank_returned_${progress.code}`,
      })
  }
}

async function end(parts: PaymentParts, row: StoredTransaction, step: Step): Promise<void> {
  const verdict = await advance(parts, row, step)
  if (verdict.outcome !== 'void') return
  const endedBefore = typeof verdict.reason !== 'string' && verdict.reason.is === 'not_waiting'
  if (!endedBefore) throw refusalOf(verdict)
}

export function settlementKey(id: TransactionId): string {
  return `settle:${id}`
}

/** One waiting question for a transaction, however often this runs. */
async function askLater(parts: PaymentParts, row: StoredTransaction, until: Micros): Promise<void> {
  const soonest = after(parts.clock.now(), ASK_AGAIN)
  const payload = { payerId: row.payerId, transactionId: row.transactionId }
  const runAt = until > soonest ? until : soonest
  await inTransaction(
    parts.pool,
    async (tx) => {
      await addJob(tx, 'settle-instruction', payload, {
        runAt,
        key: settlementKey(row.transactionId),
      })
    },
    { lockTimeoutMs: LOCK_TIMEOUT_MS },
  )
}
