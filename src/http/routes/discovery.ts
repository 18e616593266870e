import type { FastifyPluginCallbackTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import { PAGE_POLICY, page, prefersHtml } from '../html.ts'
import { markup } from '../../markup.ts'
import type { HttpParts } from '../parts.ts'
import { NoQuery } from '../schemas.ts'

const tags = ['discovery']

const welcome = {
  tags,
  operationId: 'welcome',
  summary: 'What this is',
  response: {
    200: {
      description: 'The way in.',
      content: {
        'application/json': {
          schema: Type.Object({
            name: Type.String({ examples: ['Farthing'] }),
            version: Type.String(),
            docs: Type.String({ examples: ['/docs'] }),
            openapi: Type.String({ examples: ['/openapi.json'] }),
          }),
        },
        'text/html': { schema: Type.String() },
      },
    },
  },
}

const document = {
  tags,
  operationId: 'openapi',
  summary: 'This document',
  querystring: NoQuery,
  response: {
    200: {
      description: 'OpenAPI 3.1.',
      // Printed once, and sent as a text.
      content: { 'application/json': { schema: Type.Unsafe<string>({ type: 'object' }) } },
    },
  },
}

const keys = {
  tags,
  operationId: 'jwks',
  summary: 'Keys that access tokens are signed with',
  querystring: NoQuery,
  response: {
    200: Type.Object(
      { keys: Type.Array(Type.Object({}, { additionalProperties: true })) },
      { description: 'A JWK set (RFC 7517).' },
    ),
  },
}

const alive = {
  tags,
  operationId: 'healthz',
  summary: 'Whether the process is alive',
  response: { 200: Type.Object({ status: Type.String() }, { description: 'It is.' }) },
}

const Ready = Type.Object({
  ready: Type.Boolean(),
  checks: Type.Record(Type.String(), Type.String()),
})

const ready = {
  tags,
  operationId: 'readyz',
  summary: 'Whether the process may take traffic',
  response: {
    200: { ...Ready, description: 'It may.' },
    503: { ...Ready, description: 'It may not, and this is why.' },
  },
}

/** Key sets change at the pace of rotations; a new key is published before it signs. */
const KEYS_MAY_BE_CACHED = 'public, max-age=300'

/** What the service says of itself. */
export const discoveryRoutes =
  ({ version, publicJwks, readiness }: HttpParts): FastifyPluginCallbackTypebox =>
  (app, _options, done) => {
    const open = { action: 'docs.read' } as const
    const unlimited = { action: 'health.read', quota: null } as const
    const links = { name: 'Farthing', version, docs: '/docs', openapi: '/openapi.json' }

    app.get('/', { schema: welcome, config: open }, async (request, reply) => {
      if (!prefersHtml(request.headers.accept)) {
        return await reply.type('application/json').send(links)
      }
      return await reply
        .header('content-security-policy', PAGE_POLICY)
        .type('text/html; charset=utf-8')
        .send(welcomePage)
    })

    let printed: string | null = null
    app.get('/openapi.json', { schema: document, config: open }, async (_request, reply) => {
      printed ??= JSON.stringify(app.swagger())
      return await reply.type('application/json').send(printed)
    })

    app.get(
      '/.well-known/jwks.json',
      { schema: keys, config: { action: 'keys.read' } },
      async (_request, reply) => {
        return await reply.header('cache-control', KEYS_MAY_BE_CACHED).send({
          keys: [...publicJwks.keys],
        })
      },
    )

    app.get('/healthz', { schema: alive, config: unlimited }, () => ({ status: 'alive' }))

    app.get('/readyz', { schema: ready, config: unlimited }, async (_request, reply) => {
      const state = await readiness()
      return await reply.code(state.ready ? 200 : 503).send(state)
    })

    done()
  }

const welcomePage = page(
  'Farthing',
  markup`<p>A payment service, exact to the last farthing.</p>
<p><a href="/docs">Reference</a> · <a href="/docs/errors">Errors</a> ·
<a href="/openapi.json">OpenAPI document</a></p>`,
)
