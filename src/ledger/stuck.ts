import type { LedgerConnection } from '../db/pool.ts'
import { isLockTimeout } from '../db/errors.ts'
import { begin } from '../db/session.ts'
import type { AccountId } from './account.ts'
import { inTime, ownConnection } from './connection.ts'
import { lockAccounts, lockedElsewhere } from './store.ts'

/**
 * Accounts that another session has locked for longer than a batch waits. No batch takes them
 * before they were seen free.
 */
export type Stuck = Readonly<{
  has: (id: AccountId) => boolean
  add: (ids: readonly AccountId[]) => void
  /** Stops watching, and gives the connection back. */
  close: () => Promise<void>
}>

/** How long one account is waited for before all of them are looked at again. */
const TURN_MS = 200
const ANSWER_MS = 2_000

/**
 * Watches stuck accounts on a connection of its own, as long as there are any. `onTurn` is called
 * a few times in a second meanwhile.
 */
export function watchStuck(connect: () => Promise<LedgerConnection>, onTurn: () => void): Stuck {
  const own = ownConnection(connect)
  const ids = new Set<AccountId>()
  let watching: Promise<void> | null = null

  function watch(): void {
    watching ??= turns().finally(() => {
      watching = null
      onTurn()
      if (ids.size > 0) watch()
    })
  }

  async function turns(): Promise<void> {
    try {
      while (ids.size > 0) {
        await turn(await inTime(own.get(), ANSWER_MS))
        onTurn()
      }
      await inTime(own.close(), ANSWER_MS)
    } catch {
      // Without the database nothing is known of them; the next batch finds out what is wrong.
      own.drop()
      ids.clear()
    }
  }

  /**
   * Sees all that are free now, and lines up for one that is not: of an account that many servers
   * want, none may ever be seen free, but whoever lines up has a turn.
   */
  async function turn(tx: LedgerConnection): Promise<void> {
    const locked = new Set(await inTime(lockedElsewhere(tx, [...ids]), ANSWER_MS))
    for (const id of ids) if (!locked.has(id)) ids.delete(id)
    const [next] = ids
    if (next === undefined) return
    const free = await inTime(hadTurn(tx, next), ANSWER_MS)
    // To the end of the line, unless it was taken out of it meanwhile.
    if (ids.delete(next) && !free) ids.add(next)
  }

  return {
    has: (id) => ids.has(id),
    add: (more) => {
      for (const id of more) ids.add(id)
      watch()
    },
    close: async () => {
      ids.clear()
      await watching
    },
  }
}

async function hadTurn(tx: LedgerConnection, id: AccountId): Promise<boolean> {
  await begin(tx, TURN_MS)
  try {
    await lockAccounts(tx, [id])
    return true
  } catch (error) {
    if (!isLockTimeout(error)) throw error
    return false
  } finally {
    await tx.query('rollback')
  }
}
