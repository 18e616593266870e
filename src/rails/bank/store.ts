import type { Queryable } from '../../db/query.ts'
import type { BankAccountId, TransactionId } from '../../ids/ids.ts'
import { type Micros, printTime } from '../../time.ts'
import type { Direction } from '../rail.ts'

/** How a transfer stands in the bank's books. */
export type Booked = Readonly<{
  contentDigest: Buffer
  returnCode: string | null
  settlesAt: Micros
}>

export type Transfer = Booked &
  Readonly<{
    id: TransactionId | BankAccountId
    direction: Direction
    amount: bigint
    routingNumber: string
    lastFour: string
  }>

/** Books a transfer unless its id is booked. @returns What now stands under the id. */
export async function bookOnce(db: Queryable, transfer: Transfer): Promise<Booked> {
  const { id, direction, amount, routingNumber, lastFour, contentDigest, returnCode } = transfer
  await db.query(
    `insert into sandbox_transfer (
       instruction_id, direction, amount, routing_number, last_four, content_digest, return_code,
       settles_at)
     values ($1, $2, $3, $4, $5, $6, $7, $8)
     on conflict (instruction_id) do nothing`,
    [
      id,
      direction,
      amount,
      routingNumber,
      lastFour,
      contentDigest,
      returnCode,
      printTime(transfer.settlesAt),
    ],
  )
  const booked = await findBooked(db, id)
  if (!booked) throw new Error(`sandbox transfer ${id} is gone right after it was booked`)
  return booked
}

export async function findBooked(
  db: Queryable,
  id: TransactionId | BankAccountId,
): Promise<Booked | null> {
  const { rows } = await db.query<Booked>(
    `select content_digest as "contentDigest", return_code as "returnCode",
       settles_at as "settlesAt"
     from sandbox_transfer where instruction_id = $1`,
    [id],
  )
  return rows[0] ?? null
}
