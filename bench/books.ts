import { readFile } from 'node:fs/promises'
import { uuidArray } from '../src/db/arrays.ts'
import type { Pool } from '../src/db/pool.ts'
import { createGenerator, kernelRandom } from '../src/ids/generate.ts'
import { newId } from '../src/ids/ids.ts'
import type { UserId } from '../src/ids/ids.ts'
import { chart } from '../src/ledger/chart.ts'
import { openAccounts } from '../src/ledger/store.ts'
import { after, DAY, HOUR, printTime, systemClock } from '../src/time.ts'

const WEALTH_CENTS = 100_000
/** So little that nobody comes near a limit by their past. */
const PAST_CENTS = 10
const SIGNED_UP_BEFORE = 100n * DAY

/**
 * Fills empty books with users who have money, by set-based statements: to post all that, and what
 * `fillPast` writes, would take longer than to measure. The audit holds for it as for any books.
 */
export async function fillPeople(pool: Pool, count: number): Promise<readonly UserId[]> {
  const people = Array.from({ length: count }, () => newId('user'))
  const now = systemClock.now()
  await openAccounts(pool, Object.values(chart), after(now, -SIGNED_UP_BEFORE))
  const came = after(now, HOUR - SIGNED_UP_BEFORE)
  const then = createGenerator({ now: () => came }, kernelRandom)
  const [bankAccounts, transactions] = [people.map(then), people.map(then)].map(uuidArray)
  await pool.query(await sql('people'), [
    uuidArray(people),
    WEALTH_CENTS,
    printTime(came),
    bankAccounts,
    transactions,
  ])
  return people
}

/** Gives an even number of them a past of about so many entries altogether. */
export async function fillPast(
  pool: Pool,
  people: readonly UserId[],
  entries: number,
): Promise<void> {
  const hours = Math.floor(entries / people.length)
  const began = printTime(after(systemClock.now(), -BigInt(hours + 1) * HOUR))
  await pool.query(await sql('past'), [uuidArray(people), hours, PAST_CENTS, began])
}

async function sql(name: string): Promise<string> {
  return await readFile(new URL(`${name}.sql`, import.meta.url), 'utf8')
}

export async function countEntries(pool: Pool): Promise<number> {
  const { rows } = await pool.query<{ count: bigint }>('select count(*) as count from entry')
  return Number(rows[0]?.count)
}
