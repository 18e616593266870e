import { type Place, ports } from '../places.ts'
import type { Deployment, File } from './deployment.ts'
import { fill } from './template.ts'

/** Settings that differ by what a process does, or by what the whole is for. */
export type Purpose = Readonly<{
  environment: 'development' | 'production'
  keysFile: string
  more: readonly string[]
}>

export function environmentFiles(
  place: Place,
  deployment: Deployment,
  purpose: Purpose,
): readonly File[] {
  const { places, tls, secrets, publicUrl, authUrl } = deployment
  const balancers = nearestFirst(place, places.balancer)
  const hosts = balancers.map(({ address }) => address)
  const user = `farthing:${secrets.farthing}`
  const checked = tls ? `?sslmode=verify-ca&sslrootcert=${tls.ca}&uselibpqcompat=true` : ''
  const text = fill('farthing/farthing.env', {
    ENVIRONMENT: purpose.environment,
    ADDRESS: place.address,
    API_PORT: ports.api,
    OPS_PORT: place.kind === 'worker' ? ports.workerOps : ports.ops,
    AUTH_PORT: ports.auth,
    PUBLIC_URL: publicUrl,
    AUTH_URL: authUrl,
    AUTH_BACK_URL: hosts
      .map((host) => `${tls ? 'https' : 'http'}://${host}:${ports.back}`)
      .join(','),
    TRUSTED_PROXIES: places.balancer.map(({ address }) => address).join(','),
    DATABASE_URL: `postgres://${user}@${hosts.join(',')}:${ports.primary}/farthing${checked}`,
    KEYS_FILE: purpose.keysFile,
    // The host is the name that Sentinels know the master by.
    REDIS_URL: `${tls ? 'rediss' : 'redis'}://:${secrets.redis}@farthing/0`,
    REDIS_SENTINELS: places.sentinel.map((one) => `${one.address}:${ports.sentinel}`).join(','),
    REDIS_SENTINEL_PASSWORD: secrets.sentinel,
    MORE: purpose.more,
  })
  return [{ path: deployment.paths(place).config, text }]
}

/** Each balancer is the first for its share of the servers. */
function nearestFirst(place: Place, balancers: readonly Place[]): readonly Place[] {
  const turn = Number(/\d+$/.exec(place.name)?.[0] ?? 1) - 1
  const first = turn % balancers.length
  return [...balancers.slice(first), ...balancers.slice(0, first)]
}

/** What such a file says, as its reader would take it. */
export function parseEnvironment(text: string): Readonly<Record<string, string>> {
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  return Object.fromEntries(
    lines.map((line) => {
      const equals = line.indexOf('=')
      return [line.slice(0, equals), line.slice(equals + 1)]
    }),
  )
}
