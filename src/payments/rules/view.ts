import type { BankAccountId, UserId } from '../../ids/ids.ts'
import { entryKinds } from '../../ledger/account.ts'
import type { EntryKind } from '../../ledger/account.ts'
import type { HistoryEntry } from '../../ledger/store.ts'
import { money } from '../../money.ts'
import type { Micros } from '../../time.ts'
import type { Terms } from './movement.ts'
import type { StoredTransaction } from '../ride/passenger.ts'
import { kindOf, stateOf, statusOf } from './state.ts'
import type { State } from './state.ts'
import type { Finality, Party, TransactionKind, TransactionView } from './views.ts'

const kinds = new Map<number, string>(
  Object.entries(entryKinds).map(([name, number]) => [number, name]),
)

/** The name of a stored kind that people may see. */
export function storedKind(number: number): Exclude<EntryKind, 'micro_entries'> {
  const name = kinds.get(number) as EntryKind | undefined
  if (!name || name === 'micro_entries')
    throw new Error(`no transaction of people has kind ${number}`)
  return name
}

/** A transaction as the user who asked for it sees it. */
export function payerView(row: StoredTransaction): TransactionView {
  const kind = storedKind(row.kind)
  const state = stateOf(row.status)
  return {
    transactionId: row.transactionId,
    ...sides(kind, row.payerId, row.payeeId, row.bankAccountId),
    amount: money(row.amount),
    kind: shown(kind),
    status: statusOf(state),
    declineReason: row.declineReason,
    note: row.note,
    transactionDate: row.createdAt,
    settledAt: isSettled(state) ? row.postedAt : null,
    finality: finalityOf(state, row.until, row.declineReason),
  }
}

/**
 * A payment as its receiver sees it: whether it came out of a wallet or a bank is not theirs to
 * know.
 */
export function payeeView(entry: HistoryEntry, receiver: UserId): TransactionView {
  return {
    transactionId: entry.transactionId,
    from: { kind: 'user', id: entry.otherId as string as UserId },
    to: { kind: 'user', id: receiver },
    amount: money(entry.amount),
    kind: 'payment',
    status: 'accepted',
    declineReason: null,
    note: entry.note,
    transactionDate: entry.at,
    settledAt: entry.at,
    finality: { state: 'final', until: null, why: null },
  }
}

/** The same, from the stored transaction. Null when there is nothing for the receiver to see. */
export function payeeViewOf(row: StoredTransaction, viewer: UserId): TransactionView | null {
  const reached = row.payeeId === viewer && stateOf(row.status) === 'accepted'
  if (!reached) return null
  // For the receiver it began when the money came.
  const from = { kind: 'user', id: row.payerId } as const
  return { ...payerView(row), from, transactionDate: row.postedAt }
}

/** A transaction that was just decided, without reading it back. */
export function decidedRow(
  terms: Terms,
  decided: Readonly<{
    bankAccount: BankAccountId | null
    state: StoredTransaction['status']
    declineReason: StoredTransaction['declineReason']
    at: Micros
    until: Micros | null
  }>,
): StoredTransaction {
  return {
    transactionId: terms.transaction,
    payerId: terms.payer,
    payeeId: terms.payee,
    bankAccountId: decided.bankAccount,
    kind: entryKinds[terms.kind],
    amount: terms.amount,
    status: decided.state,
    declineReason: decided.declineReason,
    note: terms.note,
    createdAt: decided.at,
    postedAt: decided.at,
    until: decided.until,
  }
}

/** What was stored, as the terms that the books go by. */
export function termsOf(row: StoredTransaction): Terms {
  return {
    transaction: row.transactionId,
    kind: storedKind(row.kind),
    payer: row.payerId,
    payee: row.payeeId,
    amount: money(row.amount),
    note: row.note,
  }
}

function sides(
  kind: EntryKind,
  payer: UserId,
  payee: UserId,
  bankAccount: BankAccountId | null,
): Readonly<{ from: Party; to: Party }> {
  const payerSide: Party = { kind: 'user', id: payer }
  const payeeSide: Party = { kind: 'user', id: payee }
  if (bankAccount === null) return { from: payerSide, to: payeeSide }
  const bank: Party = { kind: 'bank', id: bankAccount }
  return kind === 'cash_out' ? { from: payerSide, to: bank } : { from: bank, to: payeeSide }
}

function shown(kind: EntryKind): TransactionKind {
  const name = kindOf(kind)
  if (name === null) throw new Error(`${kind} is not shown to people`)
  return name
}

function isSettled(state: State): boolean {
  return state === 'accepted' || state === 'declined'
}

function finalityOf(state: State, until: Micros | null, declineReason: string | null): Finality {
  switch (state) {
    case 'accepted':
      return { state: 'final', until: null, why: null }
    case 'declined': {
      const returned = declineReason?.startsWith('bank_returned_') ?? false
      return { state: returned ? 'returned' : 'final', until: null, why: declineReason }
    }
    case 'waits_for_code':
      return { state: 'held', until, why: 'waits for the code that was sent to the payer' }
    case 'waits_for_bank':
      return { state: 'in_transit', until, why: 'waits for the bank' }
  }
}
