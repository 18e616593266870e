import assert from 'node:assert/strict'
import type { Pool } from '../../../src/db/pool.ts'
import type { UserId } from '../../../src/ids/ids.ts'
import { auditBooks } from '../../../src/ops/audit.ts'
import { until } from '../../kit/until.ts'
import { findLies } from './lies.ts'
import type { Asked, Heard, Lie, Moved, Row, Stored } from './lies.ts'

/** How many transactions users have asked for. */
export async function countTransactions(
  pool: Pool,
  callers: readonly UserId[],
): Promise<ReadonlyMap<UserId, number>> {
  const { rows } = await pool.query<{ id: UserId; count: number }>(
    `select payer_id as id, count(*)::int as count from transaction
     where payer_id = any($1::uuid[]) group by payer_id`,
    [`{${callers.join()}}`],
  )
  const found = new Map(rows.map(({ id, count }) => [id, count]))
  return new Map(callers.map((id) => [id, found.get(id) ?? 0]))
}

/**
 * What callers heard that is not so. Everything must have come to rest, and every request of these
 * callers since `before` must be among those that are heard.
 */
export async function readLies(
  pool: Pool,
  heard: readonly Heard[],
  before: ReadonlyMap<UserId, number>,
): Promise<readonly Lie[]> {
  return findLies(heard, await readStored(pool, heard, before))
}

/** Holds what callers heard against what is stored. */
export async function assertHeardIsTrue(
  pool: Pool,
  heard: readonly Heard[],
  before: ReadonlyMap<UserId, number>,
): Promise<void> {
  const lies = await readLies(pool, heard, before)
  assert.deepEqual(lies, [], 'what callers heard is not what is stored')
}

/**
 * Every transfer has come to its end. Jobs that failed meanwhile are due soon, not in an hour; and
 * so is what a worker booked whose clock was an hour ahead.
 */
export async function untilSettled(books: Pool): Promise<void> {
  try {
    await until('bank transfers have come to their end', async () => {
      await books.query(
        `update graphile_worker._private_jobs set run_at = now() + interval '1 second'
         where (attempts > 0 or key like 'settle:%') and run_at > now() + interval '2 seconds'`,
      )
      await books.query(
        `update sandbox_transfer set settles_at = now()
         where settles_at > now() + interval '10 seconds'`,
      )
      const { rows } = await books.query<{ n: number }>(
        'select count(*)::int as n from transaction where status = 4',
      )
      return rows[0]?.n === 0
    })
  } catch (error) {
    const { rows } = await books.query<{ jobs: string }>(
      `select coalesce(json_agg(j), '[]')::text as jobs from (
         select task_identifier, key, attempts, run_at, locked_at, locked_by, last_error, now()
         from graphile_worker.jobs) j`,
    )
    assert.fail(`${String(error)}\n${rows[0]?.jobs}`)
  }
}

/** The invariants of the books: those of the audit, and the plainest of them once more. */
export async function assertBooks(pool: Pool): Promise<void> {
  const findings = await auditBooks(pool)
  assert(findings.length >= 16, 'the audit has lost some of its checks')
  assert.deepEqual(
    findings.flatMap(({ offences }) => offences),
    [],
  )
  const { rows } = await pool.query<Record<string, bigint>>(
    `select (select sum(balance)::bigint from account) as balances,
            (select coalesce(sum(amount), 0)::bigint from entry) as entries,
            (select count(*) from account a join entry e using (account_id)
             where a.floor = 'zero' and e.balance < e.held) as "belowFloor",
            (select count(*) from account a
             left join (select account_id, count(*) as length, max(version) as last
                        from entry group by account_id) c using (account_id)
             where (coalesce(c.length, 0), coalesce(c.last, 0)) <> (a.version, a.version)) as gaps`,
  )
  assert.deepEqual(rows[0], { balances: 0n, entries: 0n, belowFloor: 0n, gaps: 0n })
}

async function readStored(
  pool: Pool,
  heard: readonly Heard[],
  before: ReadonlyMap<UserId, number>,
): Promise<Stored> {
  const ids = `{${heard.flatMap(({ answer }) => answer?.id ?? []).join()}}`
  const callers = `{${[...new Set(heard.map(({ caller }) => caller))].join()}}`
  const transactions = await pool.query<Row>(
    `select transaction_id as id, payer_id as payer, payee_id as payee, kind, amount, status
     from transaction where transaction_id = any($1::uuid[])`,
    [ids],
  )
  const entries = await pool.query<Moved>(
    `select transaction_id as id, account_id as account, amount, version, opens,
            balance - held as available
     from entry where transaction_id = any($1::uuid[]) order by account_id, version`,
    [ids],
  )
  const requests = await pool.query<Asked>(
    `select user_id as caller, key_digest as key, subject_id as subject
     from request where user_id = any($1::uuid[])`,
    [callers],
  )
  const now = await countTransactions(pool, [...before.keys()])
  return {
    transactions: Map.groupBy(transactions.rows, ({ id }) => id),
    entries: Map.groupBy(entries.rows, ({ id }) => id),
    requests: Map.groupBy(requests.rows, ({ caller, key }) => `${caller} ${key}`),
    made: new Map([...now].map(([id, count]) => [id, count - (before.get(id) ?? 0)])),
  }
}
