import type { LedgerConnection } from '../db/pool.ts'
import { AppError } from '../errors.ts'
import { answerIn, TooLate } from '../time.ts'

/** A connection that is opened when it is needed, and that nobody else uses. */
export type OwnConnection = Readonly<{
  get: () => Promise<LedgerConnection>
  /** One that saw any error may hold half a transaction: it is never used again. */
  drop: () => void
  close: () => Promise<void>
}>

export function ownConnection(connect: () => Promise<LedgerConnection>): OwnConnection {
  let connection: LedgerConnection | null = null
  let drops = 0

  function drop(): void {
    drops += 1
    connection?.destroy()
    connection = null
  }

  return {
    get: async () => {
      if (connection?.usable()) return connection
      drop()
      const before = drops
      const opened = await connect()
      // Whoever asked for it stopped waiting meanwhile, and may have one of their own by now.
      if (drops !== before) {
        opened.destroy()
        throw new AppError('database_unavailable', { why: 'connected too late' })
      }
      connection = opened
      return opened
    },
    drop,
    close: async () => {
      await connection?.close()
      connection = null
    },
  }
}

/**
 * What the database answers, but for so long only.
 *
 * @throws AppError `database_unavailable`
 */
export async function inTime<T>(answer: Promise<T>, ms: number): Promise<T> {
  try {
    return await answerIn(ms, answer)
  } catch (error) {
    if (!(error instanceof TooLate)) throw error
    throw new AppError('database_unavailable', { why: error.message })
  }
}
