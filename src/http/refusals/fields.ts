import type { FastifyError, FastifySchemaValidationError } from 'fastify'
import { AppError } from '../../errors.ts'
import type { ErrorCode } from '../../errors.ts'

/** What is wrong with one member. `pointer` is a JSON pointer into the part that `in` names. */
export type FieldError = Readonly<{ pointer: string; detail: string; in?: 'query' }>

/** A text with a thousand wrong members does not get a thousand lines back. */
const FIELDS_MAX = 20

/** A text in a path that cannot be an id is answered like an id that names nothing. */
const unknownByParameter: Readonly<Record<string, ErrorCode>> = {
  '/id': 'user_unknown',
  '/userId': 'user_unknown',
  '/bankId': 'bank_account_unknown',
  '/transactionId': 'transaction_unknown',
  '/channel': 'route_unknown',
}

/** Fastify's own refusals by their code. Those that are not here are told by their status. */
const codeByFastify: Readonly<Record<string, ErrorCode>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: 'body_too_large',
  FST_ERR_CTP_EMPTY_TYPE: 'media_type_unsupported',
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'media_type_unsupported',
  FST_ERR_MAX_PARAM_LENGTH: 'route_unknown',
  FST_ERR_NOT_FOUND: 'route_unknown',
}

/** Says in our words what Fastify and Ajv refuse. Whatever else comes is handed on as it is. */
export function toRefusal(error: unknown): unknown {
  if (error instanceof AppError || !isFastifyError(error)) return error
  if (error.validation) return fromValidation(error, error.validation)
  const code = codeByFastify[error.code]
  if (code) return new AppError(code, {}, { cause: error })
  const status = error.statusCode ?? 500
  if (status < 400 || status >= 500) return error
  return new AppError('request_invalid', { why: 'the request is malformed' }, { cause: error })
}

function isFastifyError(error: unknown): error is FastifyError {
  return error instanceof Error && 'code' in error && typeof error.code === 'string'
}

function fromValidation(
  error: FastifyError,
  faults: readonly FastifySchemaValidationError[],
): AppError {
  const part = error.validationContext
  if (part === 'params') {
    return new AppError(unknownByParameter[faults[0]?.instancePath ?? ''] ?? 'route_unknown')
  }
  const errors = faults
    .filter((fault) => fault.keyword !== 'if' && fault.keyword !== 'anyOf')
    .slice(0, FIELDS_MAX)
    .map((fault) => ({
      ...describe(fault),
      ...(part === 'querystring' && { in: 'query' as const }),
    }))
  return new AppError('request_invalid', {
    why: 'one or more members are not as they must be',
    errors,
  })
}

function describe({
  keyword,
  instancePath,
  params,
  message,
}: FastifySchemaValidationError): FieldError {
  const member = params['missingProperty'] ?? params['additionalProperty']
  const pointer = typeof member === 'string' ? `${instancePath}/${escape(member)}` : instancePath
  if (keyword === 'required') return { pointer, detail: 'is missing' }
  if (keyword === 'additionalProperties') return { pointer, detail: 'is not known here' }
  if (keyword === 'enum')
    return { pointer, detail: `must be one of ${list(params['allowedValues'])}` }
  if (keyword === 'type') return { pointer, detail: `must be ${list(params['type'], ' or ')}` }
  if (keyword === 'format') return { pointer, detail: 'must be an RFC 3339 time' }
  if (keyword === 'pattern') return { pointer, detail: 'is not of the form that it must have' }
  return { pointer, detail: message ?? 'is not as it must be' }
}

function list(values: unknown, between = ', '): string {
  return [values].flat().join(between)
}

/** @see RFC 6901 section 3 */
function escape(member: string): string {
  return member.slice(0, 100).replaceAll('~', '~0').replaceAll('/', '~1')
}
