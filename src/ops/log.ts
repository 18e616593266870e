import { pino } from 'pino'
import type { Logger } from 'pino'

/**
 * One JSON object per line on standard output. Production tells each request; development only what
 * goes wrong. `name` says which process speaks. Bodies are never logged, so what could leak is a
 * header, and those are struck out.
 */
export function createLog(environment: 'development' | 'production', name: string): Logger {
  return pino({
    level: environment === 'production' ? 'info' : 'warn',
    base: { service: 'farthing', process: name, pid: process.pid },
    timestamp: pino.stdTimeFunctions.isoTime,
    serializers: { err: describe, cause: describe },
    redact: {
      paths: ['authorization', 'headers.authorization', 'req.headers', 'password', 'refreshToken'],
      censor: '[struck out]',
    },
  })
}

/** Of an error, what leads to the line of code. PostgreSQL's carry rows in their other members. */
function describe(error: unknown): unknown {
  if (!(error instanceof Error)) return error === undefined ? undefined : typeof error
  const code = 'code' in error ? error.code : undefined
  const cause = error.cause === undefined ? undefined : describe(error.cause)
  return { type: error.name, message: error.message, code, stack: error.stack, cause }
}
