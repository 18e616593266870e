import type { FastifyRequest } from 'fastify'
import type { Place } from '../../access/auth-layer.ts'
import { networkOf } from '../../network.ts'

const DEVICE_MAX = 200

/** Where a request comes from, as the auth layer writes it down. */
export function placeOf({ ip, headers }: FastifyRequest): Place {
  const device = headers['user-agent']?.slice(0, DEVICE_MAX)
  return { network: networkOf(ip), device: device ?? null }
}
