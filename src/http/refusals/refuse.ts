import type { FastifyReply, FastifyRequest } from 'fastify'
import { AppError } from '../../errors.ts'
import { toRefusal } from './fields.ts'
import { retryAfterOf, toProblem } from './to-problem.ts'

/** The one way out for whatever was thrown on the way of a request. */
export function refuse(error: unknown, request: FastifyRequest, reply: FastifyReply): void {
  const refusal = toRefusal(error)
  const problem = toProblem(refusal, request.id)
  if (problem.status >= 500) logOnce(refusal, request)
  if (problem.status === 401) reply.header('www-authenticate', challenge(refusal))
  const seconds = retryAfterOf(refusal, problem.status)
  if (seconds !== undefined) reply.header('retry-after', seconds)
  // A text goes out as it is: the route's serializers know only its successes.
  reply
    .code(problem.status)
    .header('content-type', 'application/problem+json')
    .send(JSON.stringify(problem))
}

/** A bug comes with its stack; a part that is away, with what it said. */
function logOnce(error: unknown, request: FastifyRequest): void {
  if (error instanceof AppError) {
    request.log.warn({ code: error.code, cause: error.cause }, 'could not answer')
  } else {
    request.log.error({ err: error, route: request.routeOptions.url }, 'a bug')
  }
}

/** @see RFC 6750 section 3 */
function challenge(error: unknown): string {
  const invalid = error instanceof AppError && error.code === 'token_invalid'
  return invalid ? 'Bearer realm="farthing", error="invalid_token"' : 'Bearer realm="farthing"'
}
