import { readdirSync, readFileSync } from 'node:fs'
import { beginMoment } from '../db/citus/moment.ts'
import type { Pool } from '../db/pool.ts'

/** A row that breaks an invariant. */
export type Offence = Readonly<{ row: string; why: string }>

/** `rule` is the invariant in words; `offences` are the first few rows that break it. */
export type Finding = Readonly<{ name: string; rule: string; offences: readonly Offence[] }>

type Check = Readonly<{ name: string; rule: string; sql: string }>

const directory = new URL('audit/', import.meta.url)
const OFFENCES_SHOWN = 20

/** Sessions plan for look-ups by key; the audit reads whole tables. */
const beginSnapshot = `begin isolation level repeatable read read only;
  set local enable_seqscan = on`

/**
 * The invariants, in order: one file, one query that answers with the rows that break it. What
 * must be asked of each shard stands in `shards/` under the same name.
 */
export function readChecks(spread = false): readonly Check[] {
  const ofShards = new Set(spread ? readdirSync(new URL('shards/', directory)) : [])
  const names = readdirSync(directory).filter((name) => name.endsWith('.sql'))
  return names.sort().map((name) => {
    const path = ofShards.has(name) ? `shards/${name}` : name
    const sql = readFileSync(new URL(path, directory), 'utf8')
    const comments = sql.split('\n').filter((line) => line.startsWith('-- '))
    const rule = comments.map((line) => line.slice(3)).join(' ')
    return { name: name.replace('.sql', ''), rule, sql }
  })
}

/**
 * Holds the books against the invariants by plain SQL that shares no code with the ledger. All
 * queries see one moment, also while money moves.
 *
 * @param pool Of two connections at least, whose statements may take minutes.
 * @returns One finding for each invariant; what holds has no offences.
 */
export async function auditBooks(
  pool: Pool,
  heard: (finding: Finding) => void = () => undefined,
): Promise<readonly Finding[]> {
  const connection = await pool.lend()
  try {
    if (connection.spread) await beginMoment(pool, connection)
    else await connection.query(beginSnapshot)
    const findings: Finding[] = []
    for (const { name, rule, sql } of readChecks(connection.spread)) {
      // Materialized, so that it is planned to read all, and not to have the first few soon.
      const query = `with offence as materialized (${sql})
        select * from offence limit ${OFFENCES_SHOWN}`
      const { rows } = await connection.query<Offence>(query)
      const finding = { name, rule, offences: rows }
      findings.push(finding)
      heard(finding)
    }
    return findings
  } finally {
    // Nothing was written: whatever the connection went through, it is not used again.
    connection.destroy()
  }
}

/** One line for each invariant, and one for each row that breaks it. */
export function printFinding({ name, offences }: Finding): string {
  if (offences.length === 0) return `ok    ${name}`
  const rows = offences.map(({ row, why }) => `      ${row}: ${why}`)
  return [`FAIL  ${name}`, ...rows].join('\n')
}
