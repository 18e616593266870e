import { setTimeout as sleep } from 'node:timers/promises'
import { FenceDown } from '../../../src/db/fence.ts'
import { AppError } from '../../../src/errors.ts'
import type { ErrorCode } from '../../../src/errors.ts'

const TRIES = 10
const PAUSE_MS = 300

/** What the documents of errors tell a caller to ask again after, under the same key. */
const passing: readonly ErrorCode[] = [
  'database_unavailable',
  'outcome_unknown',
  'overloaded',
  'request_in_progress',
]

/**
 * Asks as a customer's program would: again, for a while, when the answer says that it may.
 *
 * @param again Told each time, with the reason.
 */
export async function insist<T>(ask: () => Promise<T>, again: (why: string) => void): Promise<T> {
  for (let tried = 1; ; tried++) {
    try {
      return await ask()
    } catch (error) {
      const mayPass = error instanceof AppError && passing.includes(error.code)
      if (!mayPass || tried === TRIES) throw error
      again(isOfFence(error) ? `${error.code} ${OF_FENCE}` : told(error))
      await sleep(PAUSE_MS)
    }
  }
}

/** Marks what writers must never hear: a fence that is down holds them up, and refuses nobody. */
export const OF_FENCE = 'because of the cache'

const told = ({ code, cause }: AppError): string =>
  cause instanceof Error ? `${code} (${cause.message})` : code

function isOfFence(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  if (error instanceof FenceDown) return true
  const why = error instanceof AppError ? error.facts['why'] : null
  return (typeof why === 'string' && /cache|redis/i.test(why)) || isOfFence(error.cause)
}

/** With what it came from. */
export function explain(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause.message : ''
  const facts = error instanceof AppError ? JSON.stringify(error.facts) : ''
  return `${String(error)} ${facts} ${cause}`
}
