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

  function drop(): void {
    connection?.destroy()
    connection = null
  }

  return {
    get: async () => {
      if (connection?.usable()) return connection
      drop()
      connection = await connect()
      return connection
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
