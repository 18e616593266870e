import type { FastifyReply, FastifyRequest, RouteOptions } from 'fastify'
import { AppError } from '../../errors.ts'
import type { Access } from '../actor.ts'
import { createLimit } from './limit.ts'
import type { Counts, Limit } from './limit.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** Has a place, which its answer gives back. */
    admitted: boolean
  }
}

const kinds = ['reads', 'writes'] as const

/** Reads wait for other things than writes, and a crowd of the one does not shut out the other. */
export type Admission = Readonly<{
  of: (kind: (typeof kinds)[number]) => Limit
  counts: () => readonly Readonly<Counts & { kind: string }>[]
}>

function milliseconds(): number {
  return performance.now()
}

export function createAdmission(): Admission {
  const limits = { reads: createLimit(milliseconds), writes: createLimit(milliseconds) }
  return {
    of: (kind) => limits[kind],
    counts: () => kinds.map((kind) => ({ kind, ...limits[kind].counts() })),
  }
}

/**
 * Puts the limit around a route. A request takes a place when all of it has arrived and nothing is
 * left to check: a caller who dawdles over a body keeps nobody out. It gives the place back when
 * the answer is ready, and not when its caller goes away: the work goes on, and so does the wait
 * for those behind it.
 */
export function limitRoute(admission: Admission, route: RouteOptions, access: Access): void {
  if (!isWork(access)) return
  const limit = admission.of(route.method === 'GET' || route.method === 'HEAD' ? 'reads' : 'writes')
  route.preHandler = [...[route.preHandler ?? []].flat(), enter]
  route.onSend = [leave, ...[route.onSend ?? []].flat()]

  type Done = (error?: Error) => void

  function enter(request: FastifyRequest, _reply: FastifyReply, done: Done): void {
    request.admitted = limit.enter()
    if (request.admitted) done()
    else done(new AppError('overloaded'))
  }

  function leave(request: FastifyRequest, _reply: FastifyReply, _body: unknown, done: Done): void {
    if (request.admitted) limit.leave()
    request.admitted = false
    done()
  }
}

/** The auth layer has limits of its own, and whether we are well is asked for when we are not. */
function isWork({ action, quota }: Access): boolean {
  return quota !== null && action !== 'user.create' && !action.startsWith('session.')
}
