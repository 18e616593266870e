import type { FastifyReply, FastifyRequest, RouteOptions } from 'fastify'
import { AppError } from '../../errors.ts'
import type { Access } from '../actor.ts'
import { kindOf, kinds } from './kinds.ts'
import type { Kind } from './kinds.ts'
import { createLimit } from './limit.ts'
import type { Counts, Limit } from './limit.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** Has a place, which its answer gives back. */
    admitted: boolean
  }
}

const TIDY_EVERY_MS = 250
/** What answers say that nobody worked on. */
const REFUSALS: readonly number[] = [429, 503]

export type Admission = Readonly<{
  of: (kind: Kind) => Limit
  counts: () => readonly Readonly<Counts & { kind: Kind }>[]
}>

function milliseconds(): number {
  return performance.now()
}

export function createAdmission(): Admission {
  const limits = Object.fromEntries(kinds.map((kind) => [kind, createTidyLimit()]))
  const of = (kind: Kind): Limit => limits[kind] as Limit
  return { of, counts: () => kinds.map((kind) => ({ kind, ...of(kind).counts() })) }
}

/** A limit in real time, looked after while somebody waits. */
function createTidyLimit(): Limit {
  const limit = createLimit(milliseconds)
  let timer: NodeJS.Timeout | null = null

  function tidyLater(): void {
    if (timer !== null || limit.counts().waiting === 0) return
    timer = setTimeout(() => {
      timer = null
      limit.tidy()
      tidyLater()
    }, TIDY_EVERY_MS)
  }

  return {
    ...limit,
    enter: (turn) => {
      const isWelcome = limit.enter(turn)
      tidyLater()
      return isWelcome
    },
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
  const limit = admission.of(kindOf([route.method].flat()[0], route.url))
  route.preHandler = [...[route.preHandler ?? []].flat(), enter]
  route.onSend = [leave, ...[route.onSend ?? []].flat()]

  type Done = (error?: Error) => void

  function enter(request: FastifyRequest, _reply: FastifyReply, done: Done): void {
    const isWelcome = limit.enter((isIn) => {
      request.admitted = isIn
      if (isIn) done()
      else done(new AppError('overloaded'))
    })
    if (!isWelcome) done(new AppError('overloaded'))
  }

  function leave(request: FastifyRequest, reply: FastifyReply, _body: unknown, done: Done): void {
    if (request.admitted) limit.leave(!REFUSALS.includes(reply.statusCode))
    request.admitted = false
    done()
  }
}

/** The auth layer has limits of its own, and whether we are well is asked for when we are not. */
function isWork({ action, quota }: Access): boolean {
  return quota !== null && action !== 'user.create' && !action.startsWith('session.')
}
