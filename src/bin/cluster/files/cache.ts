import { type Place, ports } from '../places.ts'
import type { Deployment, File } from './deployment.ts'
import { fill } from './template.ts'

export function redisFiles(place: Place, deployment: Deployment): readonly File[] {
  const { places, secrets, paths } = deployment
  const { config, data } = paths(place)
  const [master] = places.redis
  const replica = master !== undefined && master.name !== place.name
  const text = fill('redis/redis.conf', {
    ADDRESS: place.address,
    DATA_DIR: data,
    SUPERVISED: deployment.systemd ? 'systemd' : 'no',
    REDIS_PASSWORD: secrets.redis,
    REDIS_MEMORY: deployment.redisMemory,
    REDIS_LISTEN: listen(deployment, ports.redis, ['tls-replication yes']),
    REPLICA_OF: replica ? `replicaof ${master.address} ${ports.redis}` : '',
  })
  return [{ path: config, text, once: true }]
}

export function sentinelFiles(place: Place, deployment: Deployment): readonly File[] {
  const { places, secrets, paths } = deployment
  const { config, data } = paths(place)
  const text = fill('redis/sentinel.conf', {
    ADDRESS: place.address,
    DATA_DIR: data,
    SUPERVISED: deployment.systemd ? 'systemd' : 'no',
    SENTINEL_PASSWORD: secrets.sentinel,
    REDIS_PASSWORD: secrets.redis,
    REDIS_MASTER: places.redis[0]?.address ?? '',
    REDIS_PORT: ports.redis,
    SENTINEL_LISTEN: listen(deployment, ports.sentinel, ['tls-replication yes']),
  })
  return [{ path: config, text, once: true }]
}

function listen({ tls }: Deployment, port: number, more: readonly string[]): readonly string[] {
  if (!tls) return [`port ${port}`]
  return [
    'port 0',
    `tls-port ${port}`,
    `tls-cert-file ${tls.cert}`,
    `tls-key-file ${tls.key}`,
    `tls-ca-cert-file ${tls.ca}`,
    'tls-auth-clients no',
    ...more,
  ]
}
