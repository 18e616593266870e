import type { TransactionId, UserId } from '../../ids/ids.ts'
import { walletOf } from '../../ledger/account.ts'
import type { AccountId, Change, EntryKind, Line, Movement } from '../../ledger/account.ts'
import { chart } from '../../ledger/chart.ts'
import { capture, place, release } from '../../ledger/hold.ts'
import { minus } from '../../money.ts'
import type { Money } from '../../money.ts'

/**
 * What a transaction does to the books, step by step. Each step touches the payer's wallet, with
 * money or with a mark only, so that the version of that wallet rises with all its owner can see.
 */
export type Terms = Readonly<{
  transaction: TransactionId
  kind: Exclude<EntryKind, 'micro_entries'>
  payer: UserId
  payee: UserId
  amount: Money
  note: string | null
}>

const clearing = chart.bankClearing.id
const transitIn = chart.inTransitIn.id
const transitOut = chart.inTransitOut.id

const line = (account: AccountId, other: AccountId, change: Change): Line => {
  return { account, other, change, opens: false, note: null }
}

/** The first step. `withCode`: the payer must confirm it before anything else happens. */
export function begin(terms: Terms, withCode: boolean): Movement {
  const { amount, note } = terms
  const [payer, payee] = [walletOf(terms.payer), walletOf(terms.payee)]
  const first = (other: AccountId, change: Change): Line => {
    return { account: payer, other, change, opens: true, note: null }
  }
  const asked = [
    line(clearing, transitIn, { amount: minus(amount) }),
    line(transitIn, clearing, { amount }),
  ]
  const lines = (): readonly Line[] => {
    switch (terms.kind) {
      case 'payment':
        if (withCode) return place({ payer, payee, amount, note })
        return [
          first(payee, { amount: minus(amount), sent: amount }),
          { account: payee, other: payer, change: { amount }, opens: true, note },
        ]
      case 'bank_payment':
        return withCode
          ? [first(payee, { sending: amount })]
          : [first(payee, { sending: amount }), ...asked]
      case 'add_money':
        return [first(transitIn, {}), ...asked]
      case 'cash_out':
        return [
          first(transitOut, { amount: minus(amount), withdrawing: amount }),
          line(transitOut, payer, { amount }),
        ]
    }
  }
  const other =
    terms.kind === 'cash_out' ? transitOut : terms.kind === 'add_money' ? transitIn : payee
  return movement(terms, lines(), [first(other, {})])
}

/** The payer gave the right code. */
export function confirm(terms: Terms): Movement {
  const { amount, note } = terms
  const [payer, payee] = [walletOf(terms.payer), walletOf(terms.payee)]
  if (terms.kind === 'payment') return movement(terms, capture({ payer, payee, amount, note }), [])
  return movement(
    terms,
    [
      line(payer, payee, {}),
      line(clearing, transitIn, { amount: minus(amount) }),
      line(transitIn, clearing, { amount }),
    ],
    [],
  )
}

/** The payer did not give it in time, or too often wrong. */
export function abandon(terms: Terms): Movement {
  const { amount, note } = terms
  const [payer, payee] = [walletOf(terms.payer), walletOf(terms.payee)]
  if (terms.kind === 'payment') return movement(terms, release({ payer, payee, amount, note }), [])
  return movement(terms, [line(payer, payee, { sending: minus(amount) })], [])
}

/** The bank did what it was asked for. */
export function settle(terms: Terms): Movement {
  const { amount, note } = terms
  const [payer, payee] = [walletOf(terms.payer), walletOf(terms.payee)]
  const lines = (): readonly Line[] => {
    switch (terms.kind) {
      case 'add_money':
        return [
          line(transitIn, payer, { amount: minus(amount) }),
          line(payer, transitIn, { amount }),
        ]
      case 'bank_payment':
        return [
          line(transitIn, payee, { amount: minus(amount) }),
          line(payer, payee, { sending: minus(amount), sent: amount }),
          { account: payee, other: payer, change: { amount }, opens: true, note },
        ]
      case 'cash_out':
        return [
          line(transitOut, clearing, { amount: minus(amount) }),
          line(clearing, transitOut, { amount }),
          line(payer, transitOut, { withdrawing: minus(amount), withdrawn: amount }),
        ]
      case 'payment':
        throw new Error('a payment between wallets waits for no bank')
    }
  }
  return movement(terms, lines(), [])
}

/** The bank sent it back. */
export function giveBack(terms: Terms): Movement {
  const { amount } = terms
  const [payer, payee] = [walletOf(terms.payer), walletOf(terms.payee)]
  const notHere = [
    line(transitIn, clearing, { amount: minus(amount) }),
    line(clearing, transitIn, { amount }),
  ]
  const lines = (): readonly Line[] => {
    switch (terms.kind) {
      case 'add_money':
        return [...notHere, line(payer, transitIn, {})]
      case 'bank_payment':
        return [...notHere, line(payer, payee, { sending: minus(amount) })]
      case 'cash_out':
        return [
          line(transitOut, payer, { amount: minus(amount) }),
          line(payer, transitOut, { amount, withdrawing: minus(amount) }),
        ]
      case 'payment':
        throw new Error('a payment between wallets waits for no bank')
    }
  }
  return movement(terms, lines(), [])
}

function movement(terms: Terms, lines: readonly Line[], ifDeclined: readonly Line[]): Movement {
  return { transaction: terms.transaction, kind: terms.kind, lines, ifDeclined }
}
