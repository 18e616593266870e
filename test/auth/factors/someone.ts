import { createFactors } from '../../../src/auth/factors/factors.ts'
import type { Factors } from '../../../src/auth/factors/factors.ts'
import type { FactorParts } from '../../../src/auth/factors/parts.ts'
import { createRecorder } from '../../../src/auth/guard/record.ts'
import { inTransaction } from '../../../src/db/tx.ts'
import { newId } from '../../../src/ids/ids.ts'
import type { UserId } from '../../../src/ids/ids.ts'
import { after } from '../../../src/time.ts'
import type { Clock, Micros } from '../../../src/time.ts'
import { openUser } from '../../../src/users/open.ts'
import type { User } from '../../../src/users/user.ts'
import { testSite } from '../../kit/auth.ts'
import type { FreshDatabase } from '../../kit/database.ts'

export const start = 1_790_000_010_000_000n as Micros
export const whence = { network: '10.0.0.1', device: 'a test', clientId: 'test' } as const
export const digestKey = Buffer.alloc(32, 1)

const options = { lockTimeoutMs: 5_000 }
let count = 0

export type World = Readonly<{
  factors: Factors
  parts: FactorParts
  clock: Clock
  user: User
  pass: (span: bigint) => void
}>

/** Somebody, with factors to have and a clock of their own. */
export async function world(database: FreshDatabase): Promise<World> {
  let now = start
  const clock = { now: () => now }
  const { pool } = database
  const record = createRecorder(pool, clock)
  const sealKeys = new Map([['first', Buffer.alloc(32, 2)]])
  const parts = { pool, clock, sealKeys, digestKey, record, site: testSite }
  return {
    factors: createFactors(parts),
    parts,
    clock,
    user: await someone(database),
    pass: (span) => {
      now = after(now, span)
    },
  }
}

export async function someone({ pool }: FreshDatabase): Promise<User> {
  count += 1
  const ask = {
    userId: newId('user'),
    email: `person${count}@example.com`,
    phoneNumber: `+1202555${String(count).padStart(4, '0')}`,
    handle: null,
    displayName: null,
    now: start,
  }
  return await inTransaction(pool, async (tx) => await openUser(tx, ask), options)
}

/** What was written down of somebody, oldest first. */
export async function eventsOf({ pool }: FreshDatabase, userId: UserId): Promise<string[]> {
  const { rows } = await pool.query<{ line: string }>(
    `select kind || ' ' || outcome || coalesce(' ' || (facts ->> 'why'), '') as line
     from auth_event where user_id = $1 order by event_id`,
    [userId],
  )
  return rows.map(({ line }) => line)
}

/** Every row of the tables that hold factors, as text. */
export async function rowsOf({ pool }: FreshDatabase): Promise<string> {
  const tables = ['totp', 'recovery_code', 'passkey', 'auth_ticket', 'meter', 'auth_event']
  const rows = await Promise.all(
    tables.map(async (table) => {
      const found = await pool.query<{ row: string }>(`select t::text as row from ${table} t`)
      return found.rows.map(({ row }) => row)
    }),
  )
  return rows.flat().join('\n')
}
