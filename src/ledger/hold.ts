import { minus } from '../money.ts'
import type { Money } from '../money.ts'
import type { AccountId, Line } from './account.ts'

/** A payment whose money is reserved until its payer confirms it. */
export type Hold = Readonly<{
  payer: AccountId
  payee: AccountId
  amount: Money
  note: string | null
}>

/** Reserves: the balance stays, what is available falls. The payee sees nothing yet. */
export function place({ payer, payee, amount }: Hold): readonly Line[] {
  const change = { held: amount, sending: amount }
  return [{ account: payer, other: payee, change, opens: true, note: null }]
}

/** Turns the reserved money into a payment. */
export function capture({ payer, payee, amount, note }: Hold): readonly Line[] {
  const change = {
    amount: minus(amount),
    held: minus(amount),
    sending: minus(amount),
    sent: amount,
  }
  return [
    { account: payer, other: payee, change, opens: false, note: null },
    { account: payee, other: payer, change: { amount }, opens: true, note },
  ]
}

/** Gives the reserved money back to what is available. */
export function release({ payer, payee, amount }: Hold): readonly Line[] {
  const change = { held: minus(amount), sending: minus(amount) }
  return [{ account: payer, other: payee, change, opens: false, note: null }]
}
