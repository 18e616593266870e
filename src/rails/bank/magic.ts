import { createHmac } from 'node:crypto'
import type { BankAccountId } from '../../ids/ids.ts'
import type { Destination, Direction } from '../rail.ts'
import { mayReturn } from '../return-codes.ts'

/** A bank of the sandbox that takes nothing. No real bank: its prefix lies outside the ranges. */
const BANK_THAT_TAKES_NOTHING = '790000051'

const returned = /^90000000(\d\d)$/
const knownMicroAmounts = /^(95|90000000)/

/** Micro-entries stay under a dollar (Nacha, micro-entries). */
const MICRO_MAX_CENTS = 99

/**
 * How the sandbox bank ends a transfer: the code it comes back with, or `null` for success.
 *
 * Account 90000000NN comes back with RNN, where an instruction in this direction can: R01, not
 * enough money, returns debits only. The bank 790000051 returns all with R13. Others succeed.
 */
export function returnCodeFor(
  direction: Direction,
  { routingNumber, accountNumber }: Pick<Destination, 'routingNumber' | 'accountNumber'>,
): string | null {
  if (routingNumber === BANK_THAT_TAKES_NOTHING) return 'R13'
  const code = `R${returned.exec(accountNumber)?.[1]}`
  return mayReturn(code, direction) ? code : null
}

/**
 * The cents of an account's two micro-entries: 11 and 22 for accounts that begin with 95 or
 * 90000000; for all others a keyed hash of the bank account's id, so that the same id always has
 * the same ones.
 */
export function microAmounts(
  key: Uint8Array,
  id: BankAccountId,
  accountNumber: string,
): readonly [number, number] {
  if (knownMicroAmounts.test(accountNumber)) return [11, 22]
  const hash = createHmac('sha256', key).update(`sandbox-micro-entries:${id}`).digest()
  const cents = (offset: number) => (hash.readUInt32BE(offset) % MICRO_MAX_CENTS) + 1
  return [cents(0), cents(4)]
}
