import { randomBytes } from 'node:crypto'
import { link, type LinkAsk, type LinkParts } from '../../src/banks/link.ts'
import type { BankAccount } from '../../src/banks/bank-account.ts'
import { inTransaction } from '../../src/db/tx.ts'
import type { Pool } from '../../src/db/pool.ts'
import { newId, type UserId } from '../../src/ids/ids.ts'
import { DAY, type Micros, parseTime } from '../../src/time.ts'

/** A Monday, for tests that need some time or other. */
export const monday = parseTime('2026-03-02T15:00:00Z') as Micros

export const daysAfter = (days: number): Micros => (monday + BigInt(days) * DAY) as Micros

export const newParts = (): LinkParts => ({
  sealKeys: new Map([['first', randomBytes(32)]]),
  digestKey: randomBytes(32),
  routingRanges: 'any',
  pairsPerNumber: null,
})

/** Ten digits, another one each time. */
let issued = 4_000_000_000
export const newNumber = (): string => String((issued += 1))

export const askFor = (userId: UserId, changes: Partial<LinkAsk> = {}): LinkAsk => ({
  userId,
  bankName: 'Sandbox Bank A',
  bankPhoneNumber: null,
  bankEmail: null,
  routingNumber: '222222226',
  accountNumber: newNumber(),
  accountType: 'checking',
  ...changes,
})

/** Links in a transaction of its own, as a flow would. */
export async function linked(
  pool: Pool,
  parts: LinkParts,
  changes: Partial<LinkAsk> = {},
  now: Micros = monday,
): Promise<BankAccount> {
  const ask = askFor(changes.userId ?? newId('user'), changes)
  const { bankAccount } = await inTransaction(pool, async (tx) => await link(tx, parts, ask, now), {
    lockTimeoutMs: 5_000,
  })
  return bankAccount
}
