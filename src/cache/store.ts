import { isLockTimeout } from '../db/errors.ts'
import type { Pool } from '../db/pool.ts'
import { areFinished } from '../db/citus/shown.ts'
import type { Queryable, Session } from '../db/query.ts'
import { inTransaction } from '../db/tx.ts'
import { AppError } from '../errors.ts'
import type { Epoch, EpochTable, Versions } from './parts.ts'

/**
 * Advisory lock of the epoch, "cach" in ASCII: who writes shares it, who opens has it alone.
 */
const EPOCH_LOCK = 0x63616368
/** A writer in limbo must not stop all others: opening is tried again later. */
const OPEN_LOCK_MS = 200
/** Commits under way are through with both phases by then; what a crash left is not. */
const SETTLES_MS = 100

const columns = 'number, tag, state, reign, why'

const shareStatement = {
  name: 'cache_share',
  text: 'select pg_advisory_xact_lock_shared($1::int, 0)',
}
const readStatement = { name: 'cache_read', text: `select ${columns} from cache_epoch` }

/**
 * Begins what the fence asks of a writer's transaction: a statement that waits until no epoch is
 * being opened, and behind it one that reads the row, whose snapshot is younger than that wait.
 *
 * @throws AppError `database_unavailable` when the opening takes too long.
 */
export async function enter(tx: Queryable): Promise<Epoch> {
  const [, epoch] = await Promise.all([
    tx.query(shareStatement, [EPOCH_LOCK]).catch(refuseOpening),
    readRow(tx),
  ])
  return epoch
}

/** Not as a lock of a row, which would be somebody's in the batch. */
function refuseOpening(error: unknown): never {
  if (!isLockTimeout(error)) throw error
  throw new AppError('database_unavailable', { why: 'an epoch of the cache is being opened' })
}

async function readRow(db: Queryable): Promise<Epoch> {
  const { rows } = await db.query<Epoch>(readStatement)
  const [epoch] = rows
  if (!epoch) throw new Error('cache_epoch has lost its row')
  return epoch
}

const closeStatement = {
  name: 'cache_close',
  text: `update cache_epoch set state = 'closing', why = $2, changed_at = now()
         where tag = $1 and state = 'on'`,
}

const settleStatement = {
  name: 'cache_settle',
  text: `update cache_epoch set state = 'off', changed_at = now()
         where tag = $1 and state = 'closing'`,
}

const openStatement = {
  name: 'cache_open',
  text: `update cache_epoch set number = number + 1, tag = $2, state = 'on', reign = $3,
                why = 'opened', changed_at = now()
         where tag = $1 and state = 'off'`,
}

/** @param pool A pool of its own: a crowd in front of a shared one would make leases short. */
export function createEpochTable(pool: Pool): EpochTable {
  return {
    read: async () => await readRow(pool),
    close: async (tag, why) => {
      await pool.query(closeStatement, [tag, why])
    },
    settle: async (tag) => {
      await pool.query(settleStatement, [tag])
    },
    open: async (before, { tag, reign }) => {
      try {
        return await inTransaction(
          pool,
          async (tx) => {
            if (!(await isSettled(tx))) return false
            await tx.query('select pg_advisory_xact_lock($1::int, 0)', [EPOCH_LOCK])
            // Again, of those who had the lock.
            if (!(await isSettled(tx))) return false
            return (await tx.query(openStatement, [before.tag, tag, reign])).rowCount === 1
          },
          { lockTimeoutMs: OPEN_LOCK_MS },
        )
      } catch (error) {
        if (isLockTimeout(error)) return false
        throw error
      }
    },
  }
}

/**
 * Whether nothing that was committed is yet to be seen. On Citus a crash leaves a commit between
 * its phases, without the lock that its transaction had: what its worker shows would be kept as a
 * copy, and nobody fences when it is finished.
 */
async function isSettled(tx: Session): Promise<boolean> {
  return !tx.spread || (await areFinished(tx, SETTLES_MS))
}

const versionsStatement = {
  name: 'cache_versions',
  text: `select a.version as money, u.view_version as view
         from app_user u join account a on a.account_id = u.user_id
         where u.user_id = $1 and a.account_id = $1`,
}

/** The versions of what a user sees, as last committed. */
export async function readVersions(db: Queryable, user: string): Promise<Versions | null> {
  return (await db.query<Versions>(versionsStatement, [user])).rows[0] ?? null
}
