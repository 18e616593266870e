import { isLostConnection } from '../db/errors.ts'
import { AppError, StartRefused } from '../errors.ts'

/** Runs a command, and ends the process with what came of it. */
export async function endWith(work: () => Promise<number>): Promise<never> {
  try {
    // What a command leaves open, like a half-closed connection, is none of its answer.
    process.exit(await work())
  } catch (error) {
    if (!(error instanceof StartRefused || error instanceof AppError)) throw error
    console.error(error instanceof StartRefused ? error.message : sentenceFor(error))
    process.exit(1)
  }
}

function sentenceFor(error: AppError): string {
  const { code, cause } = error
  const why = cause instanceof Error ? `: ${cause.message}` : ''
  if (code === 'database_unavailable') {
    return `The database cannot be ${isLostConnection(error) ? 'reached' : 'used now'}${why}.`
  }
  if (code === 'user_unknown') return 'There is no such user.'
  if (code === 'storage_full') return `The database has no room left on its disk${why}.`
  return `It could not be done: ${code}${why}.`
}
