import { createServer } from 'node:http'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import fastify, { LogController } from 'fastify'
import type { FastifyBaseLogger, FastifyError, FastifyInstance, FastifyReply } from 'fastify'
import type { Provider } from 'oidc-provider'
import type { AuthLayer } from '../access/auth-layer.ts'
import type { RecoveryParts } from '../auth/recovery/parts.ts'
import { AppError } from '../errors.ts'
import type { Trusts } from '../network.ts'
import { bug, problems } from '../problems.ts'
import type { Quotas } from '../quotas.ts'
import { placeOf, turnedAway } from './door.ts'
import type { Place } from './door.ts'
import { recordReuse } from './openid/reuse.ts'
import { endOnSignOut } from './openid/sign-out.ts'
import { pagePolicy } from './pages/layout.ts'
import { message } from './pages/provider-pages.ts'
import { assetRoutes } from './routes/assets.ts'
import { backRoutes } from './routes/back.ts'
import { accountRoutes } from './routes/account/account.ts'
import type { AccountParts } from './routes/account/account.ts'
import { Detour } from './routes/account/signed-in.ts'
import { secondFactorRoutes } from './routes/account/second-factors.ts'
import { interactionRoutes } from './routes/interaction.ts'
import type { InteractionParts } from './routes/interaction.ts'
import { passwordRoutes } from './routes/account/password.ts'
import { lostFactorRoutes, passwordResetRoutes } from './routes/recovery.ts'
import type { RecoveryPageParts } from './routes/recovery.ts'
import { passkeyRoutes } from './routes/passkeys.ts'

const BODY_MAX_BYTES = 32 * 1024
const CONNECTIONS_MAX = 5_000
const HEADERS_ARRIVE_MS = 10_000
const REQUEST_ARRIVES_MS = 15_000

/** First parts of paths that are ours; all others are the provider's. */
const ours = new Set([
  '',
  'interaction',
  'account',
  'assets',
  'reset',
  'reset-password',
  'lost-factors',
  'cancel-factor-reset',
  'back',
  'healthz',
  'readyz',
])

export type AuthServerParts = InteractionParts &
  AccountParts &
  RecoveryPageParts &
  Readonly<{
    log: FastifyBaseLogger
    issuer: string
    /** Who stands in front, and has added who asks to X-Forwarded-For. */
    trusts: Trusts
    /** Where apps live that people come from and go back to. */
    appOrigins: readonly string[]
    /** Of those, our own apps: they alone may have the provider in a frame. */
    framedBy: readonly string[]
    provider: Provider
    layer: AuthLayer
    backSecret: string
    recovery: RecoveryParts
    readiness: () => Promise<Readonly<{ ready: boolean }>>
    /** Requests per network; null in load tests. */
    quotas: Quotas | null
  }>

/**
 * The auth layer's door. Forms and scripts may only come from its own pages: cookies say who is
 * signed in here, so the Origin of whatever changes something is looked at.
 */
export function createAuthServer(parts: AuthServerParts): FastifyInstance {
  const { appOrigins } = parts
  const pages = pagePolicy(appOrigins, [])
  // An app of ours asks in a hidden frame whether its customer is still signed in.
  const framed = pagePolicy(appOrigins, ["'self'", ...parts.framedBy])
  parts.provider.use(endOnSignOut(parts))
  parts.provider.use(recordReuse(parts))
  // The library answers whatever goes wrong inside it, and tells nobody else.
  parts.provider.on('server_error', (_ctx, error) => parts.log.error({ err: error }, 'a bug'))
  parts.provider.on('grant.error', (_ctx, error) => {
    if (error.status >= 500) parts.log.warn({ cause: error.cause }, 'could not answer')
  })
  const openid = parts.provider.callback()
  const app: FastifyInstance = fastify({
    loggerInstance: parts.log,
    // Paths hold what opens a door, like a link that resets a password.
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: BODY_MAX_BYTES,
    // As the provider: the address that a proxy in front has added itself.
    trustProxy: (address, hop) => hop === 0 && parts.trusts(address),
    // The stock options would turn null into an empty text.
    ajv: { customOptions: { coerceTypes: false, removeAdditional: false } },
    requestTimeout: REQUEST_ARRIVES_MS,
    routerOptions: { maxParamLength: 200 },
    forceCloseConnections: true,
    serverFactory: (handler): Server => {
      const limits = { headersTimeout: HEADERS_ARRIVE_MS, requestTimeout: REQUEST_ARRIVES_MS }
      const enter = async (request: IncomingMessage, response: ServerResponse) => {
        placeAt(request, parts.issuer)
        const place = placeOf(request.url ?? '', parts.issuer)
        secure(response, place?.first === 'auth' ? framed : pages)
        if (!place) return cannotRead(response)
        if (await turnedAway(parts.quotas, { request, response, ...place }, parts.trusts)) return
        if (ours.has(place.first)) return handler(request, response)
        if (typedFor(request.method, place)) return to(response, '/device')
        return await openid(request, response)
      }
      return createServer(limits, (request, response) => void enter(request, response))
    },
  })
  const { origin } = new URL(parts.issuer)
  app.server.maxConnections = CONNECTIONS_MAX
  app.addContentTypeParser(
    'application/x-www-form-urlencoded',
    { parseAs: 'string', bodyLimit: BODY_MAX_BYTES },
    (_request, body, done) => done(null, Object.fromEntries(new URLSearchParams(String(body)))),
  )
  app.addHook('onRequest', async (request, reply) => {
    if (request.url.startsWith('/back/')) return
    reply.type('text/html; charset=utf-8')
    const changes = request.method !== 'GET' && request.method !== 'HEAD'
    if (changes && request.headers.origin !== origin) throw new AppError('action_forbidden')
  })
  app.setErrorHandler(answerError)
  app.setNotFoundHandler(() => {
    throw new AppError('route_unknown')
  })
  app.register(assetRoutes)
  app.register(interactionRoutes(parts))
  app.register(passkeyRoutes(parts))
  app.register(accountRoutes(parts))
  app.register(secondFactorRoutes(parts))
  app.register(passwordRoutes(parts))
  app.register(passwordResetRoutes(parts))
  app.register(lostFactorRoutes(parts))
  app.register(backRoutes(parts.layer, parts.backSecret))
  app.get('/', async (_request, reply) => await reply.redirect('/account', 303))
  app.get('/healthz', async (_request, reply) => {
    return await reply.type('application/json').send({ status: 'alive' })
  })
  app.get('/readyz', async (_request, reply) => {
    const state = await parts.readiness()
    return await reply
      .code(state.ready ? 200 : 503)
      .type('application/json')
      .send(state)
  })
  return app
}

/**
 * The library asks each request where we are. Only the configuration knows: callers could write
 * anything, and a proxy that ends TLS may not say that it did.
 */
function placeAt({ headers }: IncomingMessage, issuer: string): void {
  const { host, protocol } = new URL(issuer)
  headers.host = host
  headers['x-forwarded-host'] = host
  headers['x-forwarded-proto'] = protocol.slice(0, -1)
}

/** On whatever leaves by this door, whoever answers. @see OWASP Secure Headers */
function secure(response: ServerResponse, policy: string): void {
  response.setHeader('content-security-policy', policy)
  response.setHeader('x-content-type-options', 'nosniff')
  // `no-referrer` would also take the Origin from forms, which we ask for.
  response.setHeader('referrer-policy', 'same-origin')
  response.setHeader('cache-control', 'no-store')
}

/** A link that types the code of somebody else's device for its reader is how people are robbed. */
function typedFor(method: string | undefined, { path, search }: Place): boolean {
  return method !== 'POST' && path === '/device' && search !== ''
}

function cannotRead(response: ServerResponse): void {
  const { status, title, sentence } = problems.request_invalid
  response.writeHead(status, { 'content-type': 'text/html; charset=utf-8' })
  response.end(message(title, sentence))
}

function to(response: ServerResponse, location: string): void {
  response.writeHead(303, { location }).end()
}

/** Whoever went back to a sign-in that has ended should know where to go on. */
const signInOver = {
  title: 'This sign-in is over',
  sentence:
    'It has ended, took too long, or began in another browser. Go back to the app and start anew.',
}

/** Pages for people, JSON for scripts and servers. */
async function answerError(
  error: FastifyError | AppError | Detour,
  request: { url: string; headers: { accept?: string | undefined }; log: FastifyBaseLogger },
  reply: FastifyReply,
): Promise<FastifyReply> {
  if (error instanceof Detour) return await reply.redirect(error.location, 303)
  const refusal = toRefusal(error)
  const { status, title, sentence } = refusal ? problems[refusal.code] : bug
  if (!refusal) request.log.error({ err: error }, 'a bug')
  else if (status >= 500) {
    request.log.warn({ code: refusal.code, cause: refusal.cause }, 'could not answer')
  }
  const wait = refusal?.facts['retryAfterSeconds']
  if (typeof wait === 'number') reply.header('retry-after', Math.ceil(wait))
  reply.code(status)
  if (!(request.headers.accept ?? '').includes('text/html')) {
    const code = refusal?.code ?? 'internal'
    return await reply.type('application/json').send({ code, errorMessage: sentence })
  }
  const over = refusal?.code === 'route_unknown' && request.url.startsWith('/interaction/')
  const page = over ? message(signInOver.title, signInOver.sentence) : message(title, sentence)
  return await reply.type('text/html; charset=utf-8').send(page)
}

function toRefusal(error: FastifyError | AppError): AppError | null {
  if (error instanceof AppError) return error
  // What the library was told when it asked for us.
  if (error.cause instanceof AppError) return error.cause
  if (error.statusCode === 413) return new AppError('body_too_large')
  if (error.validation !== undefined || (error.statusCode ?? 500) < 500) {
    return new AppError('request_invalid', {}, { cause: error })
  }
  return null
}
