import type { LedgerConnection } from '../db/pool.ts'
import { AppError } from '../errors.ts'

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

/** Stops waiting after a while. What it waited for may still come, and is not heard any more. */
export async function inTime<T>(work: Promise<T>, ms: number): Promise<T> {
  return await new Promise<T>((resolve, reject) => {
    const late = setTimeout(() => {
      reject(new AppError('database_unavailable', { why: 'no answer in time' }))
    }, ms)
    work.then(resolve, reject).finally(() => clearTimeout(late))
  })
}
