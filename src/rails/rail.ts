import type { BankAccountId, TransactionId } from '../ids/ids.ts'
import type { Money } from '../money.ts'
import type { Micros } from '../time.ts'

/** A bank account as the outside knows it, with the holder's name for the bank's statement. */
export type Destination = Readonly<{
  routingNumber: string
  accountNumber: string
  accountType: 'checking' | 'savings'
  name: string
}>

/** `debit` takes from the bank account and `credit` gives to it, as Nacha uses the words. */
export type Direction = 'debit' | 'credit'

/** Money that a bank is told to move. Its id is the transaction's, so that it cannot move twice. */
export type Instruction = Destination &
  Readonly<{ id: TransactionId; direction: Direction; amount: Money }>

export type MicroEntries = Destination & Readonly<{ id: BankAccountId }>

/**
 * How far an instruction has come.
 *
 * - `pending`: the bank has it and no money counts as moved. `until` says when to ask again; it is
 *   an expectation, and not a promise.
 * - `settled`: the money has moved. A bank may still send it back for some 60 days, so this may
 *   become `returned` later.
 * - `returned`: it has not moved, or has been moved back, in full. This is the end. `code` is
 *   Nacha's return code.
 */
export type Progress =
  | Readonly<{ state: 'pending'; until: Micros }>
  | Readonly<{ state: 'settled' }>
  | Readonly<{ state: 'returned'; code: string }>

/**
 * The way to the banks; the only one. Calls go to the outside: none is made inside a database
 * transaction, and each may fail after it took effect. So every call is made again, with the same
 * id, until its answer was heard.
 */
export type Rail = Readonly<{
  /**
   * Tells the bank to move money, once for an id however often it is called.
   *
   * @throws RailMisuse `instruction_changed` when the id is known with another direction, amount,
   * bank account or type. Nothing moves then. The name is text on a statement and may differ.
   * @throws AppError `rail_unavailable` when the rail cannot be reached: whether the instruction
   * has arrived is not known then.
   */
  submit(instruction: Instruction): Promise<Progress>

  /**
   * @throws RailMisuse `instruction_unknown` for an id that was never submitted.
   * @throws AppError `rail_unavailable`.
   */
  progress(id: TransactionId): Promise<Progress>

  /**
   * Gives a bank account two amounts of 1 to 99 cents, by which its owner shows that they can read
   * its statement. Once for an id; the same id again answers the same amounts.
   *
   * @returns Cents, in no order that means anything. They are a secret of us and the statement.
   * @throws RailMisuse `instruction_changed` when the id is known with another bank account.
   * @throws AppError `rail_unavailable`.
   */
  sendMicroEntries(ask: MicroEntries): Promise<readonly [number, number]>
}>

/** Something that the contract of a rail rules out. A bug on our side: no caller can mend it. */
export class RailMisuse extends Error {
  readonly reason: 'instruction_changed' | 'instruction_unknown'

  constructor(reason: RailMisuse['reason'], id: string) {
    super(`${reason}: ${id}`)
    this.name = 'RailMisuse'
    this.reason = reason
  }
}
