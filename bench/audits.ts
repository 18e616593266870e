import { auditBooks, printFinding } from '../src/ops/audit.ts'
import type { Finding } from '../src/ops/audit.ts'
import type { World } from './world.ts'

/** What hold the entries of a payment against its transaction, which the ledger alone has not. */
const aboutTransactions = [
  '07-transactions-equal-their-entries',
  '08-entries-have-their-transaction',
]

/** Audits both books, with all that was done in them. */
export async function auditAll(
  { house, bare }: World,
  say: (line: string) => void,
): Promise<readonly Finding[]> {
  const ofBare = (await auditBooks(bare.pool))
    .filter(({ name }) => !aboutTransactions.includes(name))
    .map((finding) => ({ ...finding, name: `${finding.name}, ledger alone` }))
  const findings = [...(await auditBooks(house.pool)), ...ofBare]
  for (const finding of findings) say(printFinding(finding))
  return findings
}
