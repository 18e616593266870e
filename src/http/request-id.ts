import { randomUUID } from 'node:crypto'
import type { IncomingMessage } from 'node:http'

const saneId = /^[A-Za-z0-9._-]{1,128}$/

/** Its sender's own name for a request, or a new one. */
export function requestIdOf({ headers }: IncomingMessage): string {
  const given = headers['request-id']
  return typeof given === 'string' && saneId.test(given) ? given : randomUUID()
}
