import { createHmac } from 'node:crypto'
import type { Queryable } from '../../db/query.ts'
import { after, type Clock, type Micros, MILLISECOND } from '../../time.ts'
import { type Destination, type Progress, type Rail, RailMisuse } from '../rail.ts'
import { microAmounts, returnCodeFor } from './magic.ts'
import { type Booked, bookOnce, findBooked, type Transfer } from './store.ts'

export type SandboxParts = Readonly<{
  db: Queryable
  clock: Clock
  /** How long a transfer is pending. */
  settleMs: number
  /** Makes micro-entries hard to guess, and the digests of account numbers hard to reverse. */
  key: Uint8Array
}>

/**
 * A simulated bank. How a transfer ends depends on the account number alone (`magic.ts`) and is
 * written down when it is submitted, in the bank's own table; when it ends, on the clock.
 *
 * The first call for an id writes one row, in one statement. Whoever calls again, after a crash or
 * at the same time, reads that row.
 */
export function createSandboxBank({ db, clock, settleMs, key }: SandboxParts): Rail {
  const settlesAt = () => after(clock.now(), BigInt(settleMs) * MILLISECOND)
  const digest = (what: unknown[]) =>
    createHmac('sha256', key)
      .update(`sandbox-transfer:${JSON.stringify(what)}`)
      .digest()

  const book = async (transfer: Transfer): Promise<Booked> => {
    const booked = await bookOnce(db, transfer)
    if (booked.contentDigest.equals(transfer.contentDigest)) return booked
    throw new RailMisuse('instruction_changed', transfer.id)
  }

  return {
    async submit(instruction) {
      const { id, direction, amount, routingNumber, accountNumber } = instruction
      const booked = await book({
        id,
        direction,
        amount,
        routingNumber,
        lastFour: accountNumber.slice(-4),
        contentDigest: digest([direction, amount.toString(), ...addressOf(instruction)]),
        returnCode: returnCodeFor(direction, instruction),
        settlesAt: settlesAt(),
      })
      return progressOf(booked, clock.now())
    },

    async progress(id) {
      const booked = await findBooked(db, id)
      if (!booked) throw new RailMisuse('instruction_unknown', id)
      return progressOf(booked, clock.now())
    },

    async sendMicroEntries(ask) {
      const [one, other] = microAmounts(key, ask.id, ask.accountNumber)
      await book({
        id: ask.id,
        direction: 'credit',
        amount: BigInt(one + other),
        routingNumber: ask.routingNumber,
        lastFour: ask.accountNumber.slice(-4),
        contentDigest: digest(['micro-entries', ...addressOf(ask)]),
        returnCode: null,
        settlesAt: settlesAt(),
      })
      return [one, other]
    },
  }
}

function addressOf({ routingNumber, accountNumber, accountType }: Destination): string[] {
  return [routingNumber, accountNumber, accountType]
}

function progressOf({ returnCode, settlesAt }: Booked, now: Micros): Progress {
  if (now < settlesAt) return { state: 'pending', until: settlesAt }
  return returnCode === null ? { state: 'settled' } : { state: 'returned', code: returnCode }
}
