import { readConfig } from '../config.ts'
import { requireMigrated } from '../db/migrated.ts'
import { auditBooks, printFinding } from '../ops/audit.ts'
import { sharedDatabase } from './database.ts'
import { openAuditPool } from './work/parts.ts'

/** Proves the books, also beside a running server. Exit code 1 when an invariant is broken. */
export async function audit(): Promise<number> {
  const database = await sharedDatabase(readConfig(process.env))
  const pool = openAuditPool(database.url)
  try {
    await requireMigrated(pool)
    const findings = await auditBooks(pool, (finding) => console.log(printFinding(finding)))
    const broken = findings.filter(({ offences }) => offences.length > 0)
    console.log(
      broken.length === 0
        ? `The books are right: all ${findings.length} invariants hold.`
        : `The books are WRONG: ${broken.length} of ${findings.length} invariants are broken.`,
    )
    return broken.length === 0 ? 0 : 1
  } finally {
    await pool.end()
    await database.stop()
  }
}
