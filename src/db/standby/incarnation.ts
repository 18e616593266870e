import type { ClientBase } from 'pg'
import { AppError } from '../../errors.ts'
import { inTime } from '../../time.ts'
import { requireStandby } from './limbo.ts'

/**
 * What a server calls itself from its start on, or from its recovery after a crash: then the
 * postmaster lives on, but all connections end and the server's counters begin anew.
 */
export const incarnation = `
  case when pg_is_in_recovery() then null
       else pg_postmaster_start_time() || ' ' || (select stats_reset from pg_stat_wal) end`

/**
 * Gives a transaction that writes nothing something to commit, so that its COMMIT waits for the
 * standby. All that the server has committed before it is there too when that is answered.
 */
export const somethingToCommit = `select pg_logical_emit_message(true, 'farthing', '')`

const smallCommit = `
  begin read write; set local synchronous_commit = on; ${somethingToCommit}; commit`

/** A standby that is there answers within milliseconds. Longer than `requireStandby` waits. */
const CONFIRM_MS = 3_000
/** Those of long ago do not come back. */
const KNOWN_MAX = 16

export class IsStandby extends Error {
  override name = 'IsStandby'
  override message = 'it is a read-only standby: give the address of the primary'
}

/** Whether a session was refused because its server is a standby. Nothing was asked of it. */
export function isStandby(error: unknown): boolean {
  return error instanceof AppError && error.cause instanceof IsStandby
}

/** One question for all connections that a server's start finds waiting. */
const confirmed = new Map<string, Promise<void>>()

/**
 * Waits until everything that a server shows has reached its standby. One that was restarted shows
 * commits at once that waited for a standby before: nobody has heard of them, and without that
 * server they are gone. What is read must stay true, so nothing is read before. Asked once of each
 * incarnation, so that reads go on while a server that stays up has lost its standby.
 *
 * @param of What `incarnation` says on this connection; null: it is a standby itself.
 * @throws AppError `database_unavailable`; its cause is `IsStandby` where it is one: it shows what
 * the primary was some time ago, and goes on with the same connections when it takes over.
 */
export async function requireConfirmed(client: ClientBase, of: string | null): Promise<void> {
  if (of === null) throw new AppError('database_unavailable', {}, { cause: new IsStandby() })
  let answer = confirmed.get(of)
  if (answer === undefined) {
    answer = confirm(client)
    remember(of, answer)
    answer.catch(() => confirmed.delete(of))
  }
  await answer
}

async function confirm(client: ClientBase): Promise<void> {
  await requireStandby(async (text) => await client.query(text))
  let warned = false
  const warn = (): void => {
    warned = true
  }
  client.once('notice', warn)
  try {
    await inTime(CONFIRM_MS, async () => await client.query(smallCommit))
  } catch (error) {
    throw new AppError('database_unavailable', {}, { cause: error })
  } finally {
    client.removeListener('notice', warn)
  }
  // Somebody ended the wait: it is committed here alone.
  if (warned) throw new AppError('database_unavailable', {}, { cause: new Error('not confirmed') })
}

function remember(of: string, answer: Promise<void>): void {
  confirmed.set(of, answer)
  const [oldest] = confirmed.keys()
  if (confirmed.size > KNOWN_MAX && oldest !== undefined) confirmed.delete(oldest)
}
