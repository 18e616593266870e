import type { FastifyReply, FastifyRequest } from 'fastify'
import { FRESH_FOR } from '../../access/policy.ts'
import { AppError } from '../../errors.ts'
import { SECOND } from '../../time.ts'
import { toRefusal } from './fields.ts'
import { retryAfterOf, toProblem } from './to-problem.ts'

/** The one way out for whatever was thrown on the way of a request. */
export function refuse(error: unknown, request: FastifyRequest, reply: FastifyReply): void {
  const refusal = toRefusal(error)
  const problem = toProblem(refusal, request.id)
  if (problem.status >= 500) logOnce(refusal, request)
  const challenge = challengeFor(refusal, problem.status)
  if (challenge !== null) reply.header('www-authenticate', challenge)
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

/** What the token lacks, in the words of RFC 6750 section 3 and RFC 9470 section 3. */
function challengeFor(error: unknown, status: number): string | null {
  const said = 'Bearer realm="farthing"'
  const { code, facts } = error instanceof AppError ? error : { code: null, facts: {} }
  switch (code) {
    case 'token_invalid':
      return `${said}, error="invalid_token"`
    case 'step_up_required':
      return `${said}, error="insufficient_user_authentication", max_age=${FRESH_FOR / SECOND}`
    case 'scope_insufficient':
      return `${said}, error="insufficient_scope", scope="${String(facts['scope'])}"`
    default:
      return status === 401 ? said : null
  }
}
