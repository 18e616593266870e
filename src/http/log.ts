import { channel } from 'node:diagnostics_channel'
import { LogController } from 'fastify'
import type { FastifyBaseLogger, FastifyReply, FastifyRequest } from 'fastify'

/** What `farthing:http.answered` carries. `route` is the pattern, not the path. */
export type AnsweredEvent = Readonly<{
  method: string
  route: string
  status: number
  milliseconds: number
}>

const answered = channel('farthing:http.answered')

/**
 * One line per request, when it is over, with its id and without any of its content. Paths hold
 * ids of people, so the route's pattern stands for them.
 */
export function createLogController(): LogController {
  const controller = new LogController()
  return Object.assign(controller, { incomingRequest: () => {}, requestCompleted: conclude })
}

/**
 * A logger for each request would put the id on its lines by itself, and is made for each of those
 * that write none. So they share one, and whoever writes a line says `requestId`.
 */
export function sharedLog(log: FastifyBaseLogger): FastifyBaseLogger {
  return log
}

function conclude(error: Error | null | undefined, request: FastifyRequest, reply: FastifyReply) {
  const event: AnsweredEvent = {
    method: request.method,
    route: request.routeOptions.url ?? 'none',
    status: reply.statusCode,
    milliseconds: Math.round(reply.elapsedTime * 1_000) / 1_000,
  }
  if (answered.hasSubscribers) answered.publish(event)
  const line = { requestId: request.id, ...event }
  if (error) reply.log.warn({ ...line, err: error }, 'answer cut off')
  else reply.log.info(line, 'answered')
}
