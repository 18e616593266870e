import type { Queryable } from '../db/query.ts'
import { currentKeyId, type SealKeys } from '../seal.ts'
import { openSealed, type Owner, sealNumber } from './seal.ts'
import { readSealedByOtherKeys, replaceSealed } from './store.ts'

const ROWS_PER_BATCH = 500

/**
 * Seals every number anew that another key than the first one sealed. Afterwards the other keys
 * may leave the configuration.
 *
 * Each batch is one statement that commits by itself, and a row is replaced only if it still holds
 * what was opened. It may be stopped anywhere and started again, also twice at once, while servers
 * run: those that seal under an old key must be gone before the last run.
 *
 * @returns How many numbers were sealed anew.
 */
export async function resealAll(db: Queryable, keys: SealKeys): Promise<number> {
  let total = 0
  let batch: Batch = { resealed: 0, last: null }
  do {
    batch = await resealBatch(db, keys, batch.last, ROWS_PER_BATCH)
    total += batch.resealed
  } while (batch.last)
  return total
}

/** `last` is where the next batch goes on; `null` says that there is none. */
export type Batch = Readonly<{ resealed: number; last: Owner | null }>

/** One batch of `resealAll`: the next `limit` rows after an owner, in the order of their ids. */
export async function resealBatch(
  db: Queryable,
  keys: SealKeys,
  start: Owner | null,
  limit: number,
): Promise<Batch> {
  const rows = await readSealedByOtherKeys(db, currentKeyId(keys), start, limit)
  const swaps = rows.map(({ owner, sealed }) => ({
    owner,
    before: sealed,
    after: sealNumber(keys, owner, openSealed(keys, owner, sealed)),
  }))
  const resealed = swaps.length === 0 ? 0 : await replaceSealed(db, swaps)
  return { resealed, last: rows.length < limit ? null : (rows.at(-1)?.owner ?? null) }
}
