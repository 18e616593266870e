import type { FastifyReply, FastifyRequest } from 'fastify'
import { AppError } from '../errors.ts'
import type { Answered } from '../payments/rules/views.ts'

/** 1 to 255 visible ASCII characters; a quote or a backslash would need escapes, and is refused. */
const bare = /^[!#-[\]-~]{1,255}$/

/**
 * Reads an Idempotency-Key, quoted as a structured field string or bare: both spell one key.
 *
 * @throws AppError `idempotency_key_invalid`
 * @see draft-ietf-httpapi-idempotency-key-header section 2.1, RFC 9651 section 3.3.3
 */
export function parseKey(text: string): string {
  const quoted = text.length > 1 && text.startsWith('"') && text.endsWith('"')
  const key = quoted ? text.slice(1, -1) : text
  if (!bare.test(key)) throw new AppError('idempotency_key_invalid')
  return key
}

/** The request's key, or null for one that is to be taken as new. */
export function keyOf(request: FastifyRequest): string | null {
  const header = request.headers['idempotency-key']
  if (header === undefined) return null
  // Node joins a header that comes twice with a comma and a space, which no key may hold.
  return parseKey(Array.isArray(header) ? header.join(', ') : header)
}

/** Marks the answer to a request that had been carried out before, and hands out its value. */
export function unwrap<T>(reply: FastifyReply, answered: Answered<T>): T {
  if (answered.replayed) reply.header('idempotent-replayed', 'true')
  return answered.value
}
