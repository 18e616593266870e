import { channel } from 'node:diagnostics_channel'
import { LogController } from 'fastify'
import type { FastifyReply, FastifyRequest } from 'fastify'

/** What `farthing:http.answered` carries. `route` is the pattern, not the path. */
export type AnsweredEvent = Readonly<{
  method: string
  route: string
  status: number
  milliseconds: number
}>

/** Balancers ask for these several times a second: that all is well is no news. */
const checks: readonly string[] = ['/healthz', '/readyz']

const answered = channel('farthing:http.answered')

/**
 * One line per request, when it is over, with its id and without any of its content. Paths hold
 * ids of people, so the route's pattern stands for them.
 */
export function createLogController(): LogController {
  const controller = new LogController({ requestIdLogLabel: 'requestId' })
  return Object.assign(controller, { incomingRequest: () => {}, requestCompleted: conclude })
}

function conclude(error: Error | null | undefined, request: FastifyRequest, reply: FastifyReply) {
  const event: AnsweredEvent = {
    method: request.method,
    route: request.routeOptions.url ?? 'none',
    status: reply.statusCode,
    milliseconds: Math.round(reply.elapsedTime * 1_000) / 1_000,
  }
  if (answered.hasSubscribers) answered.publish(event)
  if (error) reply.log.warn({ ...event, err: error }, 'answer cut off')
  else if (checks.includes(event.route) && event.status === 200) reply.log.debug(event, 'answered')
  else reply.log.info(event, 'answered')
}
