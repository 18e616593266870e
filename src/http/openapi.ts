import swagger from '@fastify/swagger'
import type { FastifyInstance, FastifySchema, RouteOptions } from 'fastify'
import { may } from '../access/policy.ts'

const description = `Sign up, link a bank account, add money, pay.

- **Money** in answers is whole US cents. In requests, \`amount\` is dollars, as a number or a
  decimal string, and is read exactly.
- **Errors** are [problem documents](https://www.rfc-editor.org/rfc/rfc9457) with a \`code\`:
  [all of them](/docs/errors).
- **Retries**: send an \`Idempotency-Key\` with whatever changes something. The same key and request
  have one effect, however often they come, and the answer to a repetition carries
  \`Idempotent-Replayed: true\`.
- **Pages**: \`nextCursor\` of one page is the \`cursor\` of the next.`

const tags = [
  { name: 'users', description: 'People, their profile and what they have.' },
  { name: 'sessions', description: 'Signing in and out.' },
  { name: 'bank accounts', description: 'Linking, verifying and unlinking.' },
  { name: 'transactions', description: 'Moving money, and looking back.' },
  { name: 'requests', description: 'Did it happen?' },
  { name: 'discovery', description: 'What this is and how it is.' },
  { name: 'development', description: 'Only outside of production.' },
]

/** Collects the routes into one OpenAPI 3.1 document. Must stand before the routes. */
export function registerDocument(app: FastifyInstance, version: string): void {
  app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: { title: 'Farthing', version, description },
      servers: [{ url: '/', description: 'This server' }],
      tags,
      components: {
        securitySchemes: {
          accessToken: {
            type: 'http',
            scheme: 'bearer',
            bearerFormat: 'JWT',
            description:
              'accessToken of POST /v1/session, of the OpenID provider, or of an outside issuer ' +
              'that this installation trusts.',
          },
        },
      },
    },
    refResolver: {
      buildLocalReference: (json, _baseUri, _fragment, index) => {
        return typeof json['$id'] === 'string' ? json['$id'] : `Unnamed${index}`
      },
    },
    transform: ({ schema, url, route }) => ({ schema: complete(schema ?? {}, route), url }),
  })
}

/** Adds what follows from the kind of a route, and so need not be said at each. */
function complete(schema: FastifySchema, route: RouteOptions): FastifySchema {
  const { action } = route.config ?? {}
  if (!action || schema.hide) return { ...schema, hide: true }
  const open = may('anyone', action)
  const changes = route.method !== 'GET'
  return {
    ...schema,
    security: open ? [] : [{ accessToken: [] }],
    ...(changes && takesKey(route) && { headers: idempotencyKey }),
    response: { ...(schema.response as object), ...refusals(schema, { open, changes, ...route }) },
  }
}

/**
 * Session routes answer with secrets, which are never stored, and so cannot be repeated. To freeze
 * says what shall be, not what to do once more: it is its own repetition.
 */
function takesKey({ url }: Pick<RouteOptions, 'url'>): boolean {
  return !url.startsWith('/v1/session') && !/\/(freeze|thaw)$/.test(url)
}

const idempotencyKey = {
  type: 'object',
  properties: {
    'Idempotency-Key': {
      type: 'string',
      maxLength: 257,
      description:
        'Makes this request safe to repeat. 1 to 255 visible characters, quoted or bare.',
      examples: ['4b2c7a52-9f0e-4d0a-8f7e-2f2f6f0b8c11'],
    },
  },
}

type Kind = Readonly<{ open: boolean; changes: boolean; url: string }>

function refusals(schema: FastifySchema, kind: Kind) {
  const statuses: readonly (keyof typeof meanings)[] = [
    400,
    ...(kind.open ? [] : ([401, 403] as const)),
    // Open to anyone, who may be refused by what they bring.
    ...(kind.open && kind.changes && !takesKey(kind) ? ([401] as const) : []),
    ...(schema.params ? ([404] as const) : []),
    ...(kind.changes ? ([409, 422] as const) : []),
    ...(schema.body ? ([404, 408, 413, 415] as const) : []),
    429,
    500,
    503,
  ]
  return Object.fromEntries(statuses.map((status) => [status, problemResponse(status)]))
}

/** What a status says of a request; `code` says which of the reasons it is. */
const meanings = {
  400: 'Malformed',
  401: 'Nobody is signed in, or what was to prove it does not',
  403: 'Not for this caller',
  404: 'Something that is named is not there',
  408: 'Too slow to arrive',
  409: 'Not as things stand',
  413: 'Too large',
  415: 'Not JSON',
  422: 'Well formed, and refused for what it says',
  429: 'Too often, or too much at once: again after `Retry-After`',
  500: 'A bug on our side',
  503: 'Not at the moment: again after `Retry-After`',
} as const

function problemResponse(status: keyof typeof meanings) {
  return {
    description: `${meanings[status]}. [All codes](/docs/errors).`,
    content: { 'application/problem+json': { schema: { $ref: 'Problem#' } } },
  }
}
