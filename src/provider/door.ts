import type { IncomingMessage, ServerResponse } from 'node:http'
import { networkOf } from '../network.ts'
import { problems } from '../problems.ts'
import type { QuotaName, Quotas } from '../quotas.ts'
import { message } from './pages/provider-pages.ts'

/** Forms in which somebody says who they are: each may cost a hash, a message or a row. */
const knocks = new Set(['interaction', 'reset', 'reset-password', 'lost-factors', 'device'])

/** What servers ask is counted where their callers come in. */
const uncounted = new Set(['back', 'healthz', 'readyz', 'assets'])

/**
 * Counts a request of a network before anything is done for it; `first` is the first part of its
 * path. True when it was one too many, and has been answered.
 */
export function turnedAway(
  quotas: Quotas | null,
  exchange: Readonly<{ request: IncomingMessage; response: ServerResponse; first: string }>,
  behindProxy: boolean,
): boolean {
  const { request, response, first } = exchange
  if (!quotas || uncounted.has(first)) return false
  const { refusal, limit, policy } = quotas.take(
    quotaOf(request, first),
    networkOf(addressOf(request, behindProxy)),
  )
  if (!refusal) return false
  response.setHeader('ratelimit', limit)
  response.setHeader('ratelimit-policy', policy)
  response.setHeader('retry-after', String(refusal.facts['retryAfterSeconds']))
  const { status, title, sentence } = problems.rate_limited
  const html = (request.headers.accept ?? '').includes('text/html')
  response.writeHead(status, { 'content-type': html ? 'text/html; charset=utf-8' : json })
  // Apps at the token end point read OAuth's own words. RFC 6749 section 5.2
  const told = { error: 'temporarily_unavailable', error_description: sentence }
  response.end(html ? message(title, sentence) : JSON.stringify(told))
  return true
}

const json = 'application/json'

function quotaOf({ method }: IncomingMessage, first: string): QuotaName {
  if (method === 'GET' || method === 'HEAD') return 'reads'
  return knocks.has(first) ? 'sign-ins' : 'writes'
}

/** Behind a proxy that ends TLS, the address that it has added itself: the last. */
function addressOf({ headers, socket }: IncomingMessage, behindProxy: boolean): string {
  const forwarded = String(headers['x-forwarded-for'] ?? '')
  const last = forwarded.split(',').at(-1)?.trim() ?? ''
  return behindProxy && last !== '' ? last : (socket.remoteAddress ?? 'unknown')
}
