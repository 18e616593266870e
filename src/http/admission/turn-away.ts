import type { IncomingMessage, RequestListener, Server, ServerResponse } from 'node:http'
import { AppError } from '../../errors.ts'
import { retryAfterOf, toProblem } from '../refusals/to-problem.ts'
import { requestIdOf } from '../request-id.ts'
import type { Admission } from './admission.ts'
import { kindOf } from './kinds.ts'
import type { Kind } from './kinds.ts'

/** The same for all: to make one for each would cost as much as the rest of the refusal. */
const overloaded = new AppError('overloaded')

/**
 * Answers what there is no room for before anything else of this server has looked at it: routes,
 * tokens, bodies, quotas, logs. In a flood most requests end here, and what each of them costs is
 * missing to those that are let in; what they would meet behind here costs twice as much. For what
 * passes, `limitRoute` decides: this only looks at paths, and knows no routes.
 *
 * @param leaving Then each answer must close its connection, and all take the long way.
 */
export function turnAway(server: Server, admission: Admission, leaving: () => boolean): void {
  const handlers = server.listeners('request') as RequestListener[]
  server.removeAllListeners('request')
  server.on('request', (request, response) => {
    const kind = workOf(request)
    if (kind === null || leaving() || admission.of(kind).hasRoom()) {
      for (const handle of handlers) handle.call(server, request, response)
    } else refuse(request, response)
  })
}

/** By the path alone; null for what waits for its turn elsewhere, and for what never waits. */
function workOf({ method, url = '', headers }: IncomingMessage): Kind | null {
  if (!url.startsWith('/v1/') || headers.host === undefined) return null
  if (url.startsWith('/v1/session') || (method === 'POST' && /^\/v1\/user\/?(\?|$)/.test(url))) {
    return null
  }
  return kindOf(method, url)
}

function refuse(request: IncomingMessage, response: ServerResponse): void {
  const requestId = requestIdOf(request)
  const problem = toProblem(overloaded, requestId)
  const body = JSON.stringify(problem)
  response.writeHead(problem.status, {
    'content-type': 'application/problem+json',
    'content-length': Buffer.byteLength(body),
    'retry-after': String(retryAfterOf(overloaded, problem.status)),
    'request-id': requestId,
    'x-content-type-options': 'nosniff',
    'cache-control': 'no-store',
  })
  response.end(request.method === 'HEAD' ? undefined : body)
}
