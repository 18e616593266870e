import { createHash } from 'node:crypto'
import reference from '@scalar/fastify-api-reference'
import type { FastifyPluginCallback, FastifyReply } from 'fastify'
import { AppError } from '../../errors.ts'
import { PAGE_POLICY, page } from '../html.ts'
import { markup } from '../../markup.ts'
import { bug, problems } from '../../problems.ts'

/** The script is five megabytes, and changes only with a release. */
const SCRIPT_MAY_BE_CACHED = 'public, max-age=3600'

/** The reference page and the list of errors. The pages call nobody but this server. */
export const referenceRoutes: FastifyPluginCallback = (app, _options, done) => {
  app.get('/docs/errors', { schema: { hide: true }, config: { action: 'docs.read' } }, errors)

  app.addHook('preHandler', (request, _reply, next) => {
    // The page's own handler builds a URL of it, and would fail on one that is none.
    next(URL.canParse(`http://${request.host}`) ? undefined : new AppError('request_invalid'))
  })
  app.addHook('onSend', (request, reply, payload, next) => {
    if (request.url.endsWith('.js')) reply.header('cache-control', SCRIPT_MAY_BE_CACHED)
    if (
      isPage(reply) &&
      typeof payload === 'string' &&
      !reply.hasHeader('content-security-policy')
    ) {
      reply.header('content-security-policy', policyFor(payload))
    }
    next()
  })
  app.register(reference, {
    routePrefix: '/docs',
    configuration: {
      url: '/openapi.json',
      pageTitle: 'Farthing API',
      theme: 'default',
      withDefaultFonts: false,
      telemetry: false,
      persistAuth: false,
      hideClientButton: true,
      showDeveloperTools: 'never',
      agent: { disabled: true },
      mcp: { disabled: true },
    },
  })
  done()
}

function isPage(reply: FastifyReply): boolean {
  return String(reply.getHeader('content-type') ?? '').startsWith('text/html')
}

/**
 * The reference page starts itself with a script in the page: it is known by its hash. It writes
 * its own styles as it runs, and calls this server when someone tries a request.
 */
function policyFor(text: string): string {
  const scripts = [...text.matchAll(/<script[^>]*>([^]*?)<\/script>/g)]
  const hashes = scripts
    .map(([, body = '']) => body)
    .filter((body) => body !== '')
    .map((body) => `'sha256-${createHash('sha256').update(body).digest('base64')}'`)
  return [
    "default-src 'none'",
    `script-src 'self' ${hashes.join(' ')}`,
    "style-src 'self' 'unsafe-inline'",
    "img-src 'self' data:",
    "font-src 'self' data:",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; ')
}

async function errors(_request: unknown, reply: FastifyReply) {
  return await reply
    .header('content-security-policy', PAGE_POLICY)
    .type('text/html; charset=utf-8')
    .send(errorsPage)
}

const rows = Object.entries({ ...problems, internal: bug }).map(
  ([code, { status, title, sentence }]) => markup`<tr id="${code}">
<td><code>${code}</code></td><td>${status}</td><td>${title}.<br><small>${sentence}</small></td></tr>
`,
)

const errorsPage = page(
  'Errors',
  markup`<p>Every refusal is a problem document (RFC 9457) with one of these codes.
<a href="/docs">Reference</a></p>
<table><thead><tr><th>code</th><th>status</th><th>what it means</th></tr></thead>
<tbody>
${rows}</tbody></table>`,
)
