import { setTimeout as delay } from 'node:timers/promises'
import { toAppError } from '../db/errors.ts'
import { somethingToCommit } from '../db/standby/incarnation.ts'
import { AppError } from '../errors.ts'
import type { AccountId, Entry } from './account.ts'
import { inTime } from './connection.ts'
import type { OwnConnection } from './connection.ts'
import { hasEntry, waitForAccounts } from './store.ts'

/** How long to look for the truth after a commit whose answer was lost. */
const RESOLVE_DEADLINE_MS = 4_000
const RESOLVE_PAUSE_MS = 100

/**
 * Whether a batch stands whose COMMIT was sent and its answer lost. Its accounts are locked anew,
 * so that whatever the old session was doing has ended; then one entry tells whether all of the
 * batch stands, or nothing. Null when the database cannot be asked in time, or shows what its
 * standby perhaps does not have.
 */
export async function findOut(
  own: OwnConnection,
  accounts: readonly AccountId[],
  mark: Entry,
): Promise<boolean | null> {
  const end = performance.now() + RESOLVE_DEADLINE_MS
  for (let left = RESOLVE_DEADLINE_MS; left > 0; left = end - performance.now()) {
    try {
      const tx = await inTime(own.get(), left)
      await inTime(tx.query('begin'), left)
      await inTime(waitForAccounts(tx, accounts), left)
      const stands = await inTime(hasEntry(tx, mark), left)
      if (!stands) {
        await inTime(tx.query('rollback'), left)
        return false
      }
      // It may stand here alone, if somebody ended its wait for the standby: then this one waits.
      const warnings = tx.warnings()
      await inTime(tx.query(somethingToCommit), left)
      await inTime(tx.query('commit'), left)
      return tx.warnings() > warnings ? null : true
    } catch (error) {
      own.drop()
      if (!(toAppError(error) instanceof AppError)) throw error
      await delay(RESOLVE_PAUSE_MS)
    }
  }
  return null
}
