import type { IncomingMessage, ServerResponse } from 'node:http'
import { addressIn, networkOf, UNKNOWN_NETWORK } from '../network.ts'
import type { Trusts } from '../network.ts'
import { problems } from '../problems.ts'
import type { QuotaName, Quotas } from '../quotas.ts'
import { message } from './pages/provider-pages.ts'

/** Forms in which somebody says who they are: each may cost a hash, a message or a row. */
const knocks = new Set(['interaction', 'reset', 'reset-password', 'lost-factors', 'device'])

/** Whoever asks for these leaves a row behind, without a word of who they are. */
const beginnings = new Set(['/auth', '/request', '/device/auth'])

/** What servers ask is counted where their callers come in. */
const uncounted = new Set(['back', 'healthz', 'readyz', 'assets'])

/** Where a request goes, in the one spelling that decisions are made by. */
export type Place = Readonly<{
  /** In lower case and without empty parts, as the library's router takes it too. */
  path: string
  first: string
  search: string
}>

/**
 * Where a request goes; null for a target that names another place than a path here. The library
 * would read its path, and we its scheme. @see RFC 9112 section 3.2
 */
export function placeOf(target: string, issuer: string): Place | null {
  const url = URL.parse(target, issuer)
  if (!target.startsWith('/') || url?.origin !== new URL(issuer).origin) return null
  const parts = url.pathname.toLowerCase().split('/').filter(Boolean)
  return { path: `/${parts.join('/')}`, first: parts[0] ?? '', search: url.search }
}

/**
 * Counts a request of a network before anything is done for it. True when it was one too many, and
 * has been answered.
 */
export async function turnedAway(
  quotas: Quotas | null,
  exchange: Place & Readonly<{ request: IncomingMessage; response: ServerResponse }>,
  trusts: Trusts,
): Promise<boolean> {
  const { request, response, first } = exchange
  if (!quotas || uncounted.has(first)) return false
  const { refusal, limit, policy } = await quotas.take(
    quotaOf(request, exchange),
    networkOf(addressOf(request, trusts)),
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

function quotaOf({ method }: IncomingMessage, { path, first }: Place): QuotaName {
  if (beginnings.has(path)) return 'sign-ins'
  if (method === 'GET' || method === 'HEAD') return 'reads'
  return knocks.has(first) ? 'sign-ins' : 'writes'
}

/** Behind a proxy, the address that it has added itself: the last. */
function addressOf({ headers, socket }: IncomingMessage, trusts: Trusts): string {
  const last =
    String(headers['x-forwarded-for'] ?? '')
      .split(',')
      .at(-1) ?? ''
  const forwarded = trusts(socket.remoteAddress ?? '') ? addressIn(last.trim()) : null
  return forwarded ?? socket.remoteAddress ?? UNKNOWN_NETWORK
}
