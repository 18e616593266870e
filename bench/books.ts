import { readFile } from 'node:fs/promises'
import { uuidArray } from '../src/db/arrays.ts'
import type { Pool } from '../src/db/pool.ts'
import { newId } from '../src/ids/ids.ts'
import type { UserId } from '../src/ids/ids.ts'
import { chart } from '../src/ledger/chart.ts'
import { openAccounts } from '../src/ledger/store.ts'
import { after, DAY, HOUR, printTime, systemClock } from '../src/time.ts'

/** Of ten cents each way, so that nobody comes near a limit. */
const HISTORY_CENTS = 10
const WEALTH_CENTS = 100_000
const SIGNED_UP_BEFORE = 60n * DAY

export type People = Readonly<{
  /** Who pays over HTTP. They have a history. */
  customers: readonly UserId[]
  /** Whose wallets the ledger alone pays between. */
  wallets: readonly UserId[]
}>

/**
 * Fills empty books with rich users and their past, by set-based statements: posting a million
 * entries would take longer than measuring. The audit holds for them as for any others.
 *
 * @param entries of the customers' past, about.
 */
export async function fillBooks(
  pool: Pool,
  ask: Readonly<{ customers: number; wallets: number; entries: number }>,
): Promise<People> {
  const now = systemClock.now()
  const past = (span: bigint): string => printTime(after(now, -span))
  const customers = Array.from({ length: ask.customers }, () => newId('user'))
  const wallets = Array.from({ length: ask.wallets }, () => newId('user'))
  await openAccounts(pool, Object.values(chart), after(now, -SIGNED_UP_BEFORE))
  const everyone = uuidArray([...customers, ...wallets])
  await pool.query(await sql('people'), [everyone, WEALTH_CENTS, past(SIGNED_UP_BEFORE - HOUR)])
  const hours = Math.floor(ask.entries / ask.customers)
  const began = past(BigInt(hours + 1) * HOUR)
  await pool.query(await sql('history'), [uuidArray(customers), hours, HISTORY_CENTS, began])
  await pool.query('vacuum analyze')
  return { customers, wallets }
}

async function sql(name: string): Promise<string> {
  return await readFile(new URL(`${name}.sql`, import.meta.url), 'utf8')
}

export async function countEntries(pool: Pool): Promise<number> {
  const { rows } = await pool.query<{ count: bigint }>('select count(*) as count from entry')
  return Number(rows[0]?.count)
}
