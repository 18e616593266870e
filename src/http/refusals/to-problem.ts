import { AppError } from '../../errors.ts'
import type { ErrorCode, Facts } from '../../errors.ts'
import type { FieldError } from './fields.ts'
import { bug, problems } from '../../problems.ts'
import type { Row } from '../../problems.ts'

/** Seconds to wait before asking again, where the thrower knows no better. */
const RETRY_AFTER_SECONDS: Readonly<Record<number, number>> = { 429: 1, 503: 2 }

export type Problem = Readonly<{
  type: string
  title: string
  status: number
  detail: string
  code: ErrorCode | 'internal'
  errorMessage: string
  requestId: string
  errors?: readonly FieldError[]
}>

/** Turns anything thrown into a problem document. @see RFC 9457 */
export function toProblem(error: unknown, requestId: string): Problem {
  if (!(error instanceof AppError)) return fill('internal', bug, bug.title, requestId)
  const { field, why, errors, retryAfterSeconds: _, ...facts } = error.facts
  const row = problems[error.code]
  const detail = typeof why === 'string' ? why : row.title
  const standard = fill(error.code, row, detail, requestId)
  // The standard's members first, and last: no fact takes the place of one.
  const problem = { ...standard, ...plain(facts), ...standard }
  if (Array.isArray(errors)) return { ...problem, errors: errors as readonly FieldError[] }
  return typeof field === 'string' ? { ...problem, errors: [{ pointer: field, detail }] } : problem
}

function fill(code: Problem['code'], row: Row, detail: string, requestId: string): Problem {
  const { status, title, sentence } = row
  const type = `/docs/errors#${code}`
  return { type, title, status, detail, code, errorMessage: sentence, requestId }
}

/** The Retry-After of a problem, in whole seconds; undefined when asking again would not help. */
export function retryAfterOf(error: unknown, status: number): number | undefined {
  const known = error instanceof AppError ? error.facts['retryAfterSeconds'] : undefined
  if (typeof known === 'number') return Math.max(1, Math.ceil(known))
  return RETRY_AFTER_SECONDS[status]
}

/** Facts as JSON can carry them. Cents and the like fit a number; what does not becomes text. */
function plain(facts: Facts): Record<string, unknown> {
  const entries = Object.entries(facts).map(([name, value]) => {
    if (typeof value !== 'bigint') return [name, value]
    return [name, Number.isSafeInteger(Number(value)) ? Number(value) : value.toString()]
  })
  return Object.fromEntries(entries) as Record<string, unknown>
}
