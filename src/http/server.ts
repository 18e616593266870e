import type { Server } from 'node:http'
import { Server as NetServer } from 'node:net'
import type { Socket } from 'node:net'
import fastify from 'fastify'
import type { FastifyHttpOptions, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { AppError } from '../errors.ts'
import { limitRoute } from './admission/admission.ts'
import { turnAway } from './admission/turn-away.ts'
import { countStray, gateFor } from './actor.ts'
import type { Access, CountRequests } from './actor.ts'
import { BODY_MAX_BYTES, registerBodies } from './body.ts'
import { createLogController } from './log.ts'
import { createMethods } from './methods.ts'
import { registerDocument } from './openapi.ts'
import type { HttpParts } from './parts.ts'
import { answerBrokenHttp } from './refusals/broken-http.ts'
import { refuse } from './refusals/refuse.ts'
import { requestIdOf } from './request-id.ts'
import { resources } from './resources.ts'
import { bankAccountRoutes } from './routes/bank-accounts.ts'
import { developmentRoutes } from './routes/development.ts'
import { discoveryRoutes } from './routes/discovery.ts'
import { referenceRoutes } from './routes/reference.ts'
import { requestRoutes } from './routes/requests.ts'
import { sessionRoutes } from './routes/sessions.ts'
import { transactionRoutes } from './routes/transactions.ts'
import { userRoutes } from './routes/users.ts'
import { parseQuery } from './shapes/query.ts'
import { validation } from './shapes/validation.ts'

const CONNECTIONS_MAX = 10_000
/** Then the connection is closed, and whoever balances the load may choose anew. */
const REQUESTS_PER_CONNECTION = 100_000
const HEADERS_ARRIVE_MS = 10_000
const REQUEST_ARRIVES_MS = 15_000
const KEEP_ALIVE_MS = 65_000
const SILENT_CONNECTION_MS = 70_000
/** When the door closes: for requests that have begun to arrive, and answers under way. */
const STRAGGLERS_MS = 3_000
/** An Idempotency-Key of 255 characters, each escaped. */
const PARAMETER_MAX = 800

declare module 'fastify' {
  interface FastifyInstance {
    /**
     * Takes no more connections, and closes each open one with its next answer. Settles when all
     * are closed: an idle one is its client's until the time is over for which it may stay idle,
     * and a request may be on its way.
     */
    leave: () => Promise<void>
  }
}

/**
 * The door. A request passes, in this order: `turn-away.ts` looks whether there is room, `stamp`
 * names it, the gate of its route (`actor.ts`) finds out who asks and whether they may, `body.ts`
 * reads the body, `schemas.ts` checks its shape, `admission.ts` gives it a place, the route calls
 * one flow, `wire.ts` shapes the answer. Whatever is thrown leaves by `refuse`.
 */
export function createServer(parts: HttpParts): FastifyInstance {
  const { quotas } = parts
  const app: FastifyInstance = fastify(optionsFor(parts))
  app.server.maxConnections = CONNECTIONS_MAX
  // Node's own types leave it out. Otherwise servers that are all full hand it round for ever.
  Object.assign(app.server, { dropMaxConnection: true })
  app.decorateRequest('actor', null)
  app.decorateRequest('role', 'anyone')
  app.decorateRequest('admitted', false)
  for (const resource of resources) app.addSchema(resource)

  let [leaving, closing] = [false, false]
  app.decorate('leave', async () => {
    leaving = true
    await emptied(app.server)
  })
  turnAway(app.server, parts.admission, () => leaving || closing)
  const shutSilent = watchSilent(app.server)
  app.addHook('preClose', (done) => {
    closing = true
    shutSilent()
    setTimeout(() => app.server.closeAllConnections(), STRAGGLERS_MS).unref()
    done()
  })
  app.addHook('onRequest', async (request, reply) => {
    stamp(request, reply)
    if (leaving || closing) reply.header('connection', 'close')
    const refusal = closing ? new AppError('stopping') : faultOf(request)
    if (refusal) throw (await countStray(quotas, request, reply)) ?? refusal
  })

  const methods = createMethods()
  app.addHook('onRoute', (route) => {
    methods.add(route.url, route.method)
    const access = accessOf(route.url, route.config)
    const gate = gateFor({ verifyToken: parts.verifyToken, quotas }, route, access)
    route.onRequest = [gate, ...[route.onRequest ?? []].flat()]
    limitRoute(parts.admission, route, access)
  })
  registerBodies(app)
  registerDocument(app, parts.version)
  registerRoutes(app, parts)

  app.setNotFoundHandler(async (request, reply) => {
    const refusal = await countStray(quotas, request, reply)
    if (refusal) throw refusal
    const allowed = methods.allowed(request.url.split('?', 1)[0] ?? '')
    if (allowed.length === 0) throw new AppError('route_unknown')
    reply.header('allow', allowed.join(', '))
    throw new AppError('method_not_allowed')
  })
  app.setErrorHandler(refuse)
  return app
}

/** `http.Server` would close what is idle; the one below it only shuts the door. */
async function emptied(server: Server): Promise<void> {
  await new Promise((resolve) => NetServer.prototype.close.call(server, resolve))
}

/**
 * Gives what shuts the connections on which nobody has said a word yet. Browsers open some ahead of
 * need, and to a server that closes they are not idle: it would wait for them.
 */
function watchSilent(server: Server): () => void {
  const open = new Set<Socket>()
  server.on('connection', (socket) => {
    open.add(socket)
    socket.once('close', () => open.delete(socket))
  })
  return () => {
    for (const socket of open) if (socket.bytesRead === 0) socket.destroy()
  }
}

/** One plugin per noun. */
function registerRoutes(app: FastifyInstance, parts: HttpParts): void {
  app.register(userRoutes(parts))
  app.register(sessionRoutes(parts))
  app.register(bankAccountRoutes(parts))
  app.register(transactionRoutes(parts))
  app.register(requestRoutes(parts))
  app.register(discoveryRoutes(parts))
  app.register(referenceRoutes)
  if (parts.readMailbox) app.register(developmentRoutes(parts.readMailbox))
}

function optionsFor(parts: HttpParts): FastifyHttpOptions<Server> {
  const { quotas } = parts
  return {
    loggerInstance: parts.log,
    logController: createLogController(),
    genReqId: requestIdOf,
    // What was in the header before the proxy's own address, whoever asks may have invented.
    trustProxy: (address, hop) => hop === 0 && parts.trusts(address),
    bodyLimit: BODY_MAX_BYTES,
    ajv: validation,
    routerOptions: { maxParamLength: PARAMETER_MAX, querystringParser: parseQuery },
    // A missing Host is refused by `faultOf`, with a problem document.
    http: { headersTimeout: HEADERS_ARRIVE_MS, requireHostHeader: false },
    requestTimeout: REQUEST_ARRIVES_MS,
    keepAliveTimeout: KEEP_ALIVE_MS,
    connectionTimeout: SILENT_CONNECTION_MS,
    maxRequestsPerSocket: REQUESTS_PER_CONNECTION,
    forceCloseConnections: 'idle',
    return503OnClosing: false,
    clientErrorHandler: answerBrokenHttp(quotas),
    // A path that cannot be decoded never meets the hooks.
    frameworkErrors: (error, request, reply) => {
      void refuseUnread(quotas, error, request, reply)
    },
  }
}

async function refuseUnread(
  quotas: CountRequests | null,
  error: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<void> {
  stamp(request, reply)
  refuse((await countStray(quotas, request, reply)) ?? error, request, reply)
}

/** What every answer carries, also the refusals. */
function stamp(request: FastifyRequest, reply: FastifyReply): void {
  reply
    .header('request-id', request.id)
    .header('x-content-type-options', 'nosniff')
    .header('cache-control', 'no-store')
}

/** @see RFC 9112 section 3.2 */
function faultOf({ headers, raw }: FastifyRequest): AppError | null {
  if (headers.host !== undefined || raw.httpVersion !== '1.1') return null
  return new AppError('request_invalid', { why: 'there is no Host header' })
}

/** The reference page brings routes of its own, which cannot name their action. */
function accessOf(url: string, config: Partial<Access> | undefined): Access {
  const action = config?.action ?? (/^\/docs(\/|$)/.test(url) ? 'docs.read' : undefined)
  if (!action) throw new Error(`The route ${url} names no action, so nobody could say who may`)
  return { ...config, action }
}
