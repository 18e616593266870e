import type { FastifyRequest } from 'fastify'
import type { Place } from '../../access/auth-layer.ts'
import * as network from '../../network.ts'

/** Where a request comes from, as the auth layer writes it down. */
export function placeOf({ ip, headers }: FastifyRequest): Place {
  return network.placeOf(ip, headers['user-agent'])
}
