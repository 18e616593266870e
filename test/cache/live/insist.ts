import { setTimeout as sleep } from 'node:timers/promises'
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
      again(error.code)
      await sleep(PAUSE_MS)
    }
  }
}

/** With what it came from. */
export function explain(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause.message : ''
  const facts = error instanceof AppError ? JSON.stringify(error.facts) : ''
  return `${String(error)} ${facts} ${cause}`
}
