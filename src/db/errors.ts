import { DatabaseError } from 'pg'
import { AppError } from '../errors.ts'

/** Node's codes for a socket that never opened, or that broke. */
const socketCodes: ReadonlySet<string> = new Set([
  'EACCES',
  'EADDRNOTAVAIL',
  'EAI_AGAIN',
  'ECONNABORTED',
  'ECONNREFUSED',
  'ECONNRESET',
  'EHOSTUNREACH',
  'ENETDOWN',
  'ENETUNREACH',
  'ENOENT',
  'ENOTCONN',
  'ENOTFOUND',
  'EPIPE',
  'ETIMEDOUT',
  'ERR_STREAM_DESTROYED',
  'ERR_STREAM_WRITE_AFTER_END',
])

/**
 * The driver gives these errors no code, so their text is all there is to know them by.
 * test/db/errors.test.ts provokes each, and fails when a new version words one differently.
 */
const driverTexts: readonly string[] = [
  'Cannot use a pool after calling end on the pool',
  'Client has encountered a connection error and is not queryable',
  'Client was closed and is not queryable',
  'Connection terminated',
  'Query read timeout',
  'The server does not support SSL connections',
  'There was an error establishing an SSL connection',
  'timeout exceeded when trying to connect',
  'timeout expired',
]

/**
 * SQLSTATEs of a server that cannot work for us now, by code or class. Refused logins, missing
 * databases and read-only standbys count: they are what a failover or a restore looks like.
 * @see PostgreSQL documentation, Appendix A
 */
const unavailableStates: ReadonlySet<string> = new Set([
  '25006', // read_only_sql_transaction: a standby, or a primary that was demoted
  '25P03', // idle_in_transaction_session_timeout
  '25P04', // transaction_timeout
  '3D000', // invalid_catalog_name
  '40001', // serialization_failure: the same may well pass next time
  '40P01', // deadlock_detected
  '53000', // insufficient_resources
  '53200', // out_of_memory
  '53300', // too_many_connections
  '53400', // configuration_limit_exceeded
  '55P03', // lock_not_available
  '57014', // query_canceled, as by statement_timeout
  '57P01', // admin_shutdown
  '57P02', // crash_shutdown
  '57P03', // cannot_connect_now
  '57P04', // database_dropped
  '57P05', // idle_session_timeout
])
/** A session ends with these; its last statement may have taken effect or not. */
const endedStates: ReadonlySet<string> = new Set([
  '25P03', // idle_in_transaction_session_timeout
  '25P04', // transaction_timeout
  '40003', // statement_completion_unknown
  '57P01', // admin_shutdown
  '57P02', // crash_shutdown
  '57P03', // cannot_connect_now
  '57P04', // database_dropped
  '57P05', // idle_session_timeout
])
const unavailableClasses: ReadonlySet<string> = new Set(['08', '28'])

const fullStates: ReadonlySet<string> = new Set([
  '53100', // disk_full
  '58030', // io_error
])

/**
 * What a caller may be told of an error from the driver: `database_unavailable` when the database
 * is lost, refuses us or is too slow, `storage_full` when it cannot write. Whatever else comes is
 * returned as it is: a broken constraint is for the store that knows it by name.
 */
export function toAppError(error: unknown): unknown {
  if (error instanceof DatabaseError) {
    if (isStorageFull(error)) return new AppError('storage_full', {}, { cause: error })
    if (isUnavailable(error)) return new AppError('database_unavailable', {}, { cause: error })
    return error
  }
  if (isLostConnection(error)) return new AppError('database_unavailable', {}, { cause: error })
  return error
}

/**
 * True when nobody can say whether a statement took effect: the connection broke, or the server
 * ended it, before the answer came.
 */
export function isLostConnection(error: unknown): boolean {
  if (error instanceof AppError) return isLostConnection(error.cause)
  if (error instanceof DatabaseError) {
    const [group, state] = stateOf(error)
    // By its code too: a severity comes in the server's language.
    return isFatal(error) || group === '08' || endedStates.has(state)
  }
  if (!(error instanceof Error)) return false
  const code = 'code' in error ? error.code : null
  if (typeof code === 'string' && socketCodes.has(code)) return true
  // A name with several addresses fails with all their errors in one.
  if (error instanceof AggregateError) return error.errors.some(isLostConnection)
  return driverTexts.some((text) => error.message.startsWith(text))
}

/** True when the server took a statement and said nothing more in time. */
export function isUnanswered(error: unknown): boolean {
  if (error instanceof AppError) return isUnanswered(error.cause)
  return error instanceof Error && error.message.startsWith('Query read timeout')
}

/** True when the named constraint or unique index refused a row. */
export function isUniqueViolation(error: unknown, constraint: string): boolean {
  if (!(error instanceof DatabaseError)) return false
  // Citus passes on what a worker says, but not the field, and of rows that it copies not the code;
  // there the name ends with the shard's number.
  const said = /^duplicate key .*"([^"]+)"/.exec(error.message)?.[1]
  if (error.code !== '23505' && !(error.code === 'XX000' && said !== undefined)) return false
  return (error.constraint ?? said)?.replace(/_\d{6,}$/, '') === constraint
}

/** True when a row or table was locked by someone else for longer than `lock_timeout`. */
export function isLockTimeout(error: unknown): boolean {
  const cause = error instanceof AppError ? error.cause : error
  return cause instanceof DatabaseError && cause.code === '55P03'
}

/** True when a statement took longer than `statement_timeout`, or somebody ended it. */
export function isCanceled(error: unknown): boolean {
  const cause = error instanceof AppError ? error.cause : error
  return cause instanceof DatabaseError && cause.code === '57014'
}

function isStorageFull(error: DatabaseError): boolean {
  return (
    fullStates.has(error.code ?? '') || /no space left on device|disk quota/i.test(error.message)
  )
}

function isUnavailable(error: DatabaseError): boolean {
  const [group, state] = stateOf(error)
  return isFatal(error) || unavailableStates.has(state) || unavailableClasses.has(group)
}

function isFatal({ severity }: DatabaseError): boolean {
  return severity === 'FATAL' || severity === 'PANIC'
}

function stateOf(error: DatabaseError): readonly [group: string, state: string] {
  const state = error.code ?? ''
  return [state.slice(0, 2), state]
}
